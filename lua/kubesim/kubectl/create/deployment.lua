--- kubectl create deployment. k8s.io/kubectl/pkg/cmd/create/create_deployment.go.
local create <const> = require "kubesim.kubectl.create.common"
local errors <const> = require "kubesim.kubectl.errors"

---The container's name from its image's. kubectl puts five random characters behind a name that it had to change.
local function container_name(image)
  local name = image:match "[^/]*$":match "^[^:@]*"
  if not name:find "[_.]" then return name end
  error(errors.verbatim(("not supported: kubectl create deployment --image=%s (the container would get a random name)"):format(image)), 0)
end

return {
  flags = {
    create.flags, { "image", false, "slice" }, { "port", false, "int32", -1 }, { "replicas", "r", "int32", 1 },
  },
  required = { "image" },
  run = function(ctx, args)
    local f, name = ctx.flags, create.name(ctx, args)
    local command = #args > 1 and { table.unpack(args, 2) } or nil
    if #f.image > 1 and command then errors.fail "cannot specify multiple --image options and command" end
    local containers = {}
    for i, image in ipairs(f.image) do
      containers[i] = { name = container_name(image), image = image, command = command, resources = {} }
    end
    if f.port >= 0 and containers[1] then containers[1].ports = { { containerPort = f.port } } end
    create.run(ctx, {
      apiVersion = "apps/v1", kind = "Deployment", metadata = { name = name, labels = { app = name } },
      spec = { replicas = f.replicas, selector = { matchLabels = { app = name } }, strategy = {},
        template = { metadata = { labels = { app = name } }, spec = { containers = containers } } },
      status = {},
    }, "failed to create deployment:")
  end,
}
