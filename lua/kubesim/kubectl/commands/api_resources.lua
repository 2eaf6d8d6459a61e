--- kubectl api-resources: the kinds that the simulated API server serves. k8s.io/kubectl/pkg/cmd/apiresources/apiresources.go.
local Tabwriter <const> = require "kubesim.kubectl.tabwriter"
local errors <const> = require "kubesim.kubectl.errors"

--- Of the category "all" (the resources' Categories()).
local ALL <const> = { pods = true, services = true, deployments = true, replicasets = true, statefulsets = true }

local VERBS <const> = { "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch" }

---Namespaces cannot be deleted as a collection.
local function verbs_of(kind)
  local list = {}
  for _, verb in ipairs(VERBS) do
    if kind.kind ~= "Namespace" or verb ~= "deletecollection" then list[#list + 1] = verb end
  end
  return list
end

local function has_all(list, wanted)
  local set = {}
  for _, word in ipairs(list) do set[word] = true end
  for _, word in ipairs(wanted or {}) do
    if not set[word] then return false end
  end
  return true
end

local function wanted(ctx, kind)
  local f = ctx.flags
  return (not ctx.changed["api-group"] or f["api-group"] == kind.group)
    and (not ctx.changed.namespaced or f.namespaced == kind.namespaced) and has_all(verbs_of(kind), f.verbs)
    and has_all(ALL[kind.plural] and { "all" } or {}, f.categories)
end

local SORT <const> = { [""] = "group", name = "plural", kind = "kind" }

local function print_table(ctx, list)
  local writer, wide = Tabwriter.new(), ctx.flags.output == "wide"
  if not ctx.flags["no-headers"] then
    writer:write("NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND" .. (wide and "\tVERBS\tCATEGORIES" or "") .. "\n")
  end
  for _, kind in ipairs(list) do
    local cells = { kind.plural, table.concat(kind.short_names, ","), kind.api_version, tostring(kind.namespaced), kind.kind }
    if wide then
      cells[6], cells[7] = table.concat(verbs_of(kind), ","), ALL[kind.plural] and "all" or ""
    end
    writer:write(table.concat(cells, "\t") .. "\n")
  end
  ctx:out(writer:take())
end

local function run(ctx, args)
  local f = ctx.flags
  if #args > 0 then ctx:usage_error("unexpected arguments: [%s]", table.concat(args, " ")) end
  local by = SORT[f["sort-by"]]
  if not by then errors.fail "--sort-by accepts only name or kind" end
  local list = {}
  for _, kind in ipairs(ctx.core:kinds()) do
    if wanted(ctx, kind) then list[#list + 1] = kind end
  end
  table.sort(list, function(a, b)
    if a[by] ~= b[by] then return a[by] < b[by] end
    return a.plural < b.plural
  end)
  if f.output == "" or f.output == "wide" then return print_table(ctx, list) end
  if f.output == "name" then
    for _, kind in ipairs(list) do ctx:out(kind.plural .. (kind.group ~= "" and "." .. kind.group or "") .. "\n") end
    return
  end
  local format = f.output:lower()
  if format == "json" or format == "yaml" or format == "kyaml" then ctx:refuse_flag "output" end
  errors.fail("unable to match a printer suitable for the output format %s, allowed formats are: json,kyaml,name,wide,yaml",
    errors.quote(f.output))
end

return {
  flags = {
    { "output", "o", "string", "" }, { "no-headers", false, "bool", false }, { "show-managed-fields", false, "bool", false },
    { "api-group", false, "string", "" }, { "namespaced", false, "bool", true }, { "verbs", false, "slice" },
    { "sort-by", false, "string", "" }, { "cached", false, "bool", false }, { "categories", false, "slice" },
  },
  run = run,
}
