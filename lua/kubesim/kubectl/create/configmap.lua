--- kubectl create configmap. k8s.io/kubectl/pkg/cmd/create/create_configmap.go.
local create <const> = require "kubesim.kubectl.create.common"
local sources <const> = require "kubesim.kubectl.create.sources"

return {
  flags = { create.flags, sources.flags },
  run = function(ctx, args)
    local name = create.name(ctx, args)
    sources.validate(ctx, name)
    local data, binary = {}, {}
    sources.each(ctx, "ConfigMap", name, function(key, value)
      if utf8.len(value) then data[key] = value else binary[key] = sources.base64(value) end
    end)
    create.run(ctx, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = name }, data = next(data) and data or nil,
      binaryData = next(binary) and binary or nil }, "failed to create configmap:")
  end,
}
