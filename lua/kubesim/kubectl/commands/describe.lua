--- kubectl describe. What it says of each kind stands in kubectl/describe/.
---
--- k8s.io/kubectl/pkg/cmd/describe/describe.go.
local describe <const> = require "kubesim.kubectl.describe"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local resources <const> = require "kubesim.kubectl.resources"

---The objects of a kind whose names begin with what was given for a name; raises the error when there are none.
local function by_prefix(ctx, kind, prefix, show_events, err)
  local found = false
  for _, info in ipairs(resources.find(ctx, { args = { kind }, allow_empty_selector = true, single_type = true }):all()) do
    if info.name:sub(1, #prefix) == prefix then
      found = true
      ctx:out(describe.text(ctx.core, info:get(ctx), show_events) .. "\n")
    end
  end
  if not found then error(err, 0) end
end

---Describes them one after the other; the errors, each once.
local function describe_all(ctx, infos, show_events)
  local list, seen, first = {}, {}, true
  for _, info in ipairs(infos) do
    local err = errors.try(function()
      local text = describe.text(ctx.core, info:get(ctx), show_events)
      ctx:out((first and "" or "\n\n") .. text)
      first = false
    end)
    if err and not seen[err.message] then
      list[#list + 1] = err
      seen[err.message] = true
    end
  end
  return list
end

return {
  flags = {
    flags.filename, flags.selector, flags.all_namespaces, flags.chunk_size, { "show-events", false, "bool", true },
  },
  run = function(ctx, args)
    local f, files = ctx.flags, options.files(ctx)
    if #args == 0 and #files == 0 then
      errors.fail('You must specify the type of resource to describe. Use "kubectl api-resources" for a complete list of supported '
        .. "resources.")
    end
    local found = resources.find(ctx, { args = args, allow_empty_selector = true, files = files, labels = f.selector,
      all_namespaces = f["all-namespaces"], continue_on_error = true })
    local infos, err = found:infos()
    local show_events = f["show-events"]
    if not ctx.changed["show-events"] and (err or #infos > 1) then show_events = false end
    if err and errors.is(err, "NotFound") and #args == 2 then return by_prefix(ctx, args[1], args[2], show_events, err) end
    local list = describe_all(ctx, infos, show_events)
    if #infos == 0 and not err then
      ctx:err(f["all-namespaces"] and "No resources found\n" or ("No resources found in %s namespace.\n"):format(ctx.namespace))
    end
    table.insert(list, 1, err)
    err = errors.join(list)
    if err then error(err, 0) end
  end,
}
