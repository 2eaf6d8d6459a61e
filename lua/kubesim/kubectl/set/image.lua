--- kubectl set image. k8s.io/kubectl/pkg/cmd/set/set_image.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local pairs_of <const> = require "kubesim.kubectl.pairs"
local set <const> = require "kubesim.kubectl.set.common"

local function validate(ctx, words, images, order)
  local f, list = ctx.flags, {}
  local function add(text) list[#list + 1] = errors.plain(text) end
  if f.all and f.selector ~= "" then add "cannot set --all and --selector at the same time" end
  if #words < 1 and #f.filename == 0 and f.kustomize == "" then
    add "one or more resources must be specified as <resource> <name> or <resource>/<name>"
  end
  if #order < 1 then add "at least one image update is required"
  elseif #order > 1 and images["*"] then
    add "all containers are already specified by *, but saw more than one container_name=container_image pairs"
  end
  if f["local"] and options.dry_run(ctx) == "server" then
    add "cannot specify --local and --dry-run=server - did you mean --dry-run=client?"
  end
  local err = errors.join(list)
  if err then error(err, 0) end
end

return {
  flags = { set.flags, flags.record, flags.selector },
  run = function(ctx, args)
    local words, list = pairs_of.split(args, "image")
    local images, _, order = pairs_of.parse(list, "image", false)
    local infos = set.find(ctx, words)
    validate(ctx, words, images, order)
    local errs = {}
    set.run(ctx, infos, function(info)
      local spec = set.pod_spec(info)
      for _, name in ipairs(order) do
        local found = false
        for _, container in ipairs(set.containers(spec, "*")) do
          if name == "*" or container.name == name then container.image, found = images[name], true end
        end
        if not found then errs[#errs + 1] = errors.plain("error: unable to find container named %s", errors.quote(name)) end
      end
    end, { operation = "image updated", failed = "failed to patch image update to pod template:", list = errs })
  end,
}
