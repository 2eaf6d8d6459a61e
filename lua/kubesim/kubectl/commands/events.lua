--- kubectl events: events in the order of time, of all objects or one. k8s.io/kubectl/pkg/cmd/events.
local TablePrinter <const> = require "kubesim.kubectl.table"
local Tabwriter <const> = require "kubesim.kubectl.tabwriter"
local common <const> = require "kubesim.kubectl.printers.common"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local formats <const> = require "kubesim.kubectl.formats"
local gosort <const> = require "kubesim.kubectl.gosort"
local resources <const> = require "kubesim.kubectl.resources"
local values <const> = require "kubesim.kubectl.values"
local watching <const> = require "kubesim.kubectl.watching"

local function text(value) return type(value) == "string" and value or nil end

---The instant by which events are sorted.
local function time_of(event)
  local series = values.present(event.series)
  local at = text(series and series.lastObservedTime) or not series and (text(event.lastTimestamp) or text(event.eventTime))
  return at and require "kubesim.core".time(at) or math.mininteger
end

---"5s", or "5s (x3 over 2m)" of what happened repeatedly.
local function interval(event, now)
  local first = common.since(text(event.eventTime) or event.firstTimestamp, now)
  local series, count = event.series, event.count or 0
  if series then return ("%s (x%d over %s)"):format(common.since(series.lastObservedTime, now), series.count or 0, first) end
  if count > 1 then return ("%s (x%d over %s)"):format(common.since(event.lastTimestamp, now), count, first) end
  return first
end

local function row(event, now, with_namespace)
  local about, escaped = event.involvedObject or {}, TablePrinter.escaped
  return ("%s%s\t%s\t%s\t%s/%s\t%s\n"):format(with_namespace and event.metadata.namespace .. "\t" or "", interval(event, now),
    escaped(event.type or ""), escaped(event.reason or ""), escaped(about.kind or ""), escaped(about.name or ""),
    escaped((event.message or ""):match "^%s*(.-)%s*$"))
end

---The field selector of --for.
local function selector_of(ctx)
  local wanted = ctx.flags["for"]
  if wanted == "" then return nil end
  local kind, name, more = wanted:match "^([^/]*)/([^/]*)(.*)$"
  if not kind then errors.fail "--for must be in resource/name form" end
  if more ~= "" then errors.fail "arguments in resource/name form may not have more than one slash" end
  local mapping = kind ~= "" and ctx.core:kind(kind)
  if not mapping then errors.fail_bare("the server doesn't have a resource type %s", errors.quote(kind)) end
  return ("involvedObject.kind=%s,involvedObject.apiVersion=%s,involvedObject.name=%s"):format(mapping.kind, mapping.api_version, name)
end

---A function that says whether --types lets an event through.
local function type_filter(types)
  for _, word in ipairs(types or {}) do
    if word:lower() ~= "normal" and word:lower() ~= "warning" then errors.fail "valid --types are Normal or Warning" end
  end
  return function(event)
    for _, word in ipairs(types or {}) do
      if word:lower() == (event.type or ""):lower() then return true end
    end
    return #(types or {}) == 0
  end
end

---A function that prints events as lines, with a header before the first ones.
local function line_printer(ctx)
  local writer, headed, with_namespace = Tabwriter.new(), ctx.flags["no-headers"], ctx.flags["all-namespaces"]
  return function(events)
    if not headed then writer:write((with_namespace and "NAMESPACE\t" or "") .. "LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n") end
    headed = true
    local now = ctx.core:epoch() * 1000000000 + ctx.core:instant()
    for _, event in ipairs(events) do writer:write(row(values.bare(event), now, with_namespace)) end
    ctx:out(writer:take())
  end
end

local function run(ctx)
  local f = ctx.flags
  local fields, passes = selector_of(ctx), type_filter(f.types)
  local namespace = not f["all-namespaces"] and ctx.namespace or nil
  local format = formats.read(f.output, { path = ctx.path, template = f.template, managed_fields = f["show-managed-fields"],
    allow_missing = f["allow-missing-template-keys"], typed = ctx.core:kind "events".type })
  local print_lines = not format and line_printer(ctx)
  if f.watch then
    return watching.run(ctx, { kind = "Event", namespace = namespace, fields = fields, from_start = true }, function(what, event)
      if what == "DELETED" or not passes(event) then return end
      if format then ctx:out(format(event)) else print_lines { event } end
    end)
  end
  local list = {}
  for _, event in ipairs(resources.list(ctx, ctx.core:kind "events", namespace, "", fields or "")) do
    if passes(event) then list[#list + 1] = event end
  end
  if #list == 0 then
    return ctx:err(namespace and ("No events found in %s namespace.\n"):format(namespace) or "No events found.\n")
  end
  gosort(list, function(a, b) return time_of(a) < time_of(b) end)
  if print_lines then return print_lines(list) end
  if f.output:lower() == "name" then return end -- kubectl's name printer takes no lists of events, and nobody hears of it
  ctx:out(format { apiVersion = "v1", kind = "EventList", metadata = {}, items = list })
end

return {
  flags = {
    flags.output, flags.all_namespaces, flags.chunk_size, { "watch", "w", "bool", false }, { "for", false, "string", "" },
    { "types", false, "slice" }, { "no-headers", false, "bool", false },
  },
  run = run,
}
