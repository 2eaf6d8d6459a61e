--- Lets virtual time pass and hands over what changes meanwhile: the heart of `get -w` and `events -w`.
---
--- A real watch ends when its reader does; here it ends when nothing more will change by itself, an hour later at the latest.

local watching = {}

local LONGEST <const> = 3600 * 1000000000

---Runs on and calls `each(event, object)` for every change of the objects that are chosen.
---@param ctx kubesim.kubectl.Context
---`from_start`: objects that are there already come first, as ADDED.
---@param chosen { kind: string, namespace?: string, labels?: string, fields?: string, from_start?: boolean }
---@param each fun(event: "ADDED"|"MODIFIED"|"DELETED", object: table)
function watching.run(ctx, chosen, each)
  local core = ctx.core
  if chosen.from_start then
    for _, object in ipairs(core:list(chosen.kind, chosen.namespace, chosen.labels, chosen.fields)) do each("ADDED", object) end
  end
  local id = core:watch(each, chosen.kind, chosen.namespace, chosen.labels, chosen.fields)
  local fine, err = pcall(core.settle, core, core:instant() + LONGEST)
  core:unwatch(id)
  if not fine then error(err, 0) end
end

return watching
