--- kubectl get: tables, or objects in the format that -o names; -w prints changes as time goes by.
--- k8s.io/kubectl/pkg/cmd/get/get.go. What few command lines need (sorting, watching) is loaded when it is used.
local TablePrinter <const> = require "kubesim.kubectl.table"
local Tabwriter <const> = require "kubesim.kubectl.tabwriter"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local output <const> = require "kubesim.kubectl.output"
local printers <const> = require "kubesim.kubectl.printers"
local resources <const> = require "kubesim.kubectl.resources"

---What was found of one resource, or one object asked for by name: each becomes a table.
---@class kubesim.kubectl.Found
---@field mapping table
---@field kind? string     the kind of the objects, if it is not the mapping's
---@field objects table[]

local function check(ctx, args)
  local f = ctx.flags
  ctx:refuse_flag("raw", "kustomize")
  if f.watch and f["sort-by"] ~= "" then
    ctx:err "warning: --watch requested, --sort-by will be ignored for watch events received\n"
  elseif f["watch-only"] and f["sort-by"] ~= "" then
    ctx:err "warning: --watch-only requested, --sort-by will be ignored\n"
  elseif not f.watch and not f["watch-only"] and #args == 0 and #(f.filename or {}) == 0 then
    ctx:err(("You must specify the type of resource to get. %s\n\n"):format(resources.SUGGESTION))
    ctx:usage_error('Required resource not specified.\nUse "kubectl explain <resource>" for a detailed description of that resource '
      .. "(e.g. kubectl explain pods).")
  end
  if f["show-labels"] and f.output ~= "" and f.output ~= "wide" then
    errors.fail("--show-labels option cannot be used with %s printer", f.output)
  end
  if f["output-watch-events"] and not (f.watch or f["watch-only"]) then
    errors.fail "--output-watch-events option can only be used with --watch or --watch-only"
  end
end

local function format_of(ctx)
  if ctx.flags.output == "wide" and ctx.flags.template == "" then return nil end
  return output.format(ctx, { no_headers = ctx.flags["no-headers"], columns = true, wide = true })
end

---Finds what was asked for; `opts`: those of resources.find that depend on what is done with it.
local function find(ctx, args, opts)
  local f = ctx.flags
  return resources.find(ctx, {
    args = args, allow_empty_selector = true, files = f.filename, latest = true, labels = f.selector, fields = f["field-selector"],
    all_namespaces = f["all-namespaces"], subresource = f.subresource ~= "" and f.subresource or nil, single_type = opts.single_type,
    continue_on_error = opts.continue_on_error, ignore_not_found = opts.ignore_not_found, viewed = opts.viewed,
  })
end

---An object's subresource: what the server keeps under that name.
local function subresource(ctx, info)
  local name = ctx.flags.subresource
  if name == "" then return info.object, info.mapping.kind end
  if name == "status" and info.mapping.has_status then return info.object, info.mapping.kind end
  if name == "scale" and info.mapping.scalable then return require "kubesim.kubectl.scale"(info.object), "Scale" end
  error(require "kubesim.status".new {
    code = 404, reason = "NotFound", message = "the server could not find the requested resource",
    details = { name = info.name, kind = info.mapping.plural },
  }, 0)
end

---@return kubesim.kubectl.Found[]
---@return kubesim.Status? err
local function collect(ctx, result)
  if result.by_selector then return result:lists() end
  local found = {}
  local err = result:visit(function(info)
    local object, kind = subresource(ctx, info)
    found[#found + 1] = { mapping = info.mapping, kind = kind, objects = { object } }
  end)
  return found, err
end

local function table_options(ctx, mapping, with_kind)
  local f = ctx.flags
  return {
    no_headers = f["no-headers"], wide = f.output == "wide", with_namespace = f["all-namespaces"] and mapping.namespaced,
    with_kind = (with_kind or f["show-kind"]) and resources.kind_name(mapping) or nil, show_labels = f["show-labels"],
    label_columns = #f["label-columns"] > 0 and f["label-columns"] or nil,
  }
end

local function several_kinds(found)
  for _, group in ipairs(found) do
    if group.mapping.kind ~= found[1].mapping.kind then return true end
  end
  return false
end

---The instant at which ages are told, Unix nanoseconds.
local function now(ctx) return ctx.core:epoch() * 1000000000 + ctx.core:instant() end

local function print_tables(ctx, found)
  local with_kind, printer, last = several_kinds(found), nil, nil
  local writer, written, separate = Tabwriter.new(), false, false
  local function flush()
    local text = writer:take()
    if text == "" then return end
    ctx:out((separate and "\n" or "") .. text)
    written, separate = true, false
  end
  for _, group in ipairs(found) do
    if group.mapping ~= last and (not last or group.mapping.kind ~= last.kind) then
      flush()
      writer:forget()
      if last and not ctx.flags["no-headers"] and written then separate = true end
      printer, last = TablePrinter.new(table_options(ctx, group.mapping, with_kind)), group.mapping
    end
    printer:print(printers.table(group.kind or group.mapping.kind, group.objects, now(ctx)), writer)
  end
  flush()
  return written
end

local function tell_nothing_found(ctx, found)
  local namespaced = not ctx.flags["all-namespaces"]
  for _, group in ipairs(found) do namespaced = namespaced and group.mapping.namespaced end
  ctx:err(namespaced and ("No resources found in %s namespace.\n"):format(ctx.namespace) or "No resources found\n")
end

---What cannot be sorted is not printed, and kubectl does not say why.
local function sort_tables(found, path, by_selector)
  local sorting <const>, count = require "kubesim.kubectl.sorting", 0
  for _, group in ipairs(found) do count = count + (by_selector and 1 or #group.objects) end
  if count > 1 then sorting.tables(count, path) end
  for _, group in ipairs(found) do
    if by_selector then group.objects = sorting.rows(group.objects, path) or {} end
  end
end

local function get_tables(ctx, result)
  local path = ctx.flags["sort-by"]
  local found, err = collect(ctx, result)
  if path ~= "" then sort_tables(found, path, result.by_selector) end
  local written = print_tables(ctx, found)
  if not written and not ctx.flags["ignore-not-found"] and not err then tell_nothing_found(ctx, found) end
  if err then error(err, 0) end
end

local function get_objects(ctx, result, format)
  local found, err = collect(ctx, result)
  if err and result.single then error(err, 0) end
  local objects = {}
  for _, group in ipairs(found) do table.move(group.objects, 1, #group.objects, #objects + 1, objects) end
  if #objects == 0 and ctx.flags["ignore-not-found"] then
    if err then error(err, 0) end
    return
  end
  local path = ctx.flags["sort-by"]
  if result.single and #objects == 1 then
    ctx:out(format(objects[1]))
  else
    if path ~= "" then objects = require "kubesim.kubectl.sorting".items(objects, path) end
    ctx:out(format(require "kubesim.kubectl.formats".list(objects)))
  end
  if err then error(err, 0) end
end

-- Watching -------------------------------------------------------------------------------------------------------------------

---A function that prints objects and events of one kind as lines or in a format.
local function watch_printer(ctx, mapping, format)
  local with_events = ctx.flags["output-watch-events"]
  if format then
    return function(objects, event)
      for _, object in ipairs(objects) do ctx:out(format(object, with_events and event or nil)) end
    end
  end
  local printer, writer = TablePrinter.new(table_options(ctx, mapping)), Tabwriter.new()
  return function(objects, event)
    printer:print(printers.table(mapping.kind, objects, now(ctx)), writer, with_events and event or nil)
    ctx:out(writer:take())
  end
end

local function watch(ctx, args, format)
  local f = ctx.flags
  local result = find(ctx, args, { single_type = true })
  if not result.by_selector and not result.single then
    errors.fail("watch is only supported on individual resources and resource collections - %d resources were found", #result:all())
  end
  local found, err = collect(ctx, result)
  if err then
    if f["ignore-not-found"] and errors.is(err, "NotFound") then return end
    error(err, 0)
  end
  local group = found[1]
  local print = watch_printer(ctx, group.mapping, format)
  if not f["watch-only"] and #group.objects > 0 then
    local objects = group.objects
    if f["sort-by"] ~= "" then
      local sorted, why = require "kubesim.kubectl.sorting".rows(objects, f["sort-by"])
      objects = sorted or errors.fail("unable to output the provided object: %s", why)
    end
    print(objects, "ADDED")
  end
  local fields = f["field-selector"]
  if not result.by_selector then fields = "metadata.name=" .. group.objects[1].metadata.name end
  require "kubesim.kubectl.watching".run(ctx, {
    kind = group.mapping.kind, namespace = group.mapping.namespaced and not f["all-namespaces"] and ctx.namespace or nil,
    labels = result.by_selector and f.selector ~= "" and f.selector or nil, fields = fields ~= "" and fields or nil,
  }, function(event, object) print({ object }, event) end)
end

local function run(ctx, args)
  check(ctx, args)
  local format = format_of(ctx)
  if ctx.flags.watch or ctx.flags["watch-only"] then return watch(ctx, args, format) end
  local result = find(ctx, args, { continue_on_error = true, ignore_not_found = ctx.flags["ignore-not-found"],
    viewed = not format and ctx.flags["sort-by"] == "" and ctx.flags.subresource == "" })
  if format then return get_objects(ctx, result, format) end
  get_tables(ctx, result)
end

return {
  flags = {
    flags.output, flags.filename, flags.chunk_size, flags.selector, flags.field_selector, flags.all_namespaces,
    { "raw", false, "string", "" }, { "watch", "w", "bool", false }, { "watch-only", false, "bool", false },
    { "output-watch-events", false, "bool", false }, { "ignore-not-found", false, "bool", false },
    { "server-print", false, "bool", true }, { "no-headers", false, "bool", false }, { "show-labels", false, "bool", false },
    { "sort-by", false, "string", "" }, { "label-columns", "L", "slice" }, { "show-kind", false, "bool", false },
    { "subresource", false, "string", "" },
  },
  run = run,
}
