--- Blocks that several kinds' descriptions share: labels, annotations, tolerations, taints, events, tables of conditions.
--- Each takes the writer first. Called by the describers.
---
--- kubectl/pkg/describe/describe.go.
local core <const> = require "kubesim.core"
local values <const> = require "kubesim.kubectl.values"

---@class kubesim.describe.blocks
local blocks = {}

local present <const>, list <const> = values.present, values.list

---A title with one line an entry, the lines below the first indented by a tab. Written in the pieces in which kubectl writes them: a
---nested writer moves each piece to the right.
---@param w kubesim.describe.Writer
---@param title string
---@param lines string[]
---@param indent? string what stands before the title and before each further line
function blocks.multiline(w, title, lines, indent)
  indent = indent or ""
  w:write(0, "%s%s:\t", indent, title)
  if #lines == 0 then return w:line "<none>" end
  for i, line in ipairs(lines) do
    if i > 1 then
      w:write(0, "%s", indent)
      w:write(0, "\t")
    end
    w:line(line)
  end
end

---@param w kubesim.describe.Writer
---@param title string
---@param labels table?
---@param indent? string
function blocks.labels(w, title, labels, indent)
  local lines = {}
  for i, key in ipairs(values.sorted_keys(labels)) do lines[i] = key .. "=" .. labels[key] end
  blocks.multiline(w, title, lines, indent)
end

local LAST_APPLIED <const> = "kubectl.kubernetes.io/last-applied-configuration"
local LONGEST <const> = 140

local function shortened(line)
  return #line > LONGEST - 2 and line:sub(1, LONGEST - 2) .. "..." or line
end

---Annotations: long ones and those of several lines stand below their key; what apply remembers is left out.
---@param w kubesim.describe.Writer
---@param title string
---@param annotations table?
function blocks.annotations(w, title, annotations)
  w:write(0, "%s:\t", title)
  local first = true
  for _, key in ipairs(values.sorted_keys(annotations)) do
    if key ~= LAST_APPLIED then
      if not first then w:write(0, "\t") end
      first = false
      local value = annotations[key]:gsub("\n$", "")
      if #value + #key + 2 > LONGEST or value:find("\n", 1, true) then
        w:line(key .. ":")
        for line in (value .. "\n"):gmatch "([^\n]*)\n" do w:write(0, "\t  %s\n", shortened(line)) end
      else
        w:line(key .. ": " .. value)
      end
    end
  end
  if first then w:line "<none>" end
end

---Name, namespace (of namespaced kinds).
---@param w kubesim.describe.Writer
---@param object table
function blocks.name(w, object)
  w:write(0, "Name:\t%s\n", object.metadata.name)
  if object.metadata.namespace then w:write(0, "Namespace:\t%s\n", object.metadata.namespace) end
end

---Labels and annotations of an object.
---@param w kubesim.describe.Writer
---@param object table
function blocks.metadata(w, object)
  blocks.labels(w, "Labels", object.metadata.labels)
  blocks.annotations(w, "Annotations", object.metadata.annotations)
end

local function toleration_line(t)
  local line = (present(t.key) or "") .. (values.or_none(t.value) ~= "<none>" and "=" .. t.value or "")
  if values.or_none(t.effect) ~= "<none>" then line = line .. ":" .. t.effect end
  if t.operator == "Exists" and values.or_none(t.value) == "<none>" then line = line .. (line ~= "" and " " or "") .. "op=Exists" end
  if present(t.tolerationSeconds) then line = line .. (" for %ds"):format(t.tolerationSeconds) end
  return line
end

---@param w kubesim.describe.Writer
---@param title string
---@param tolerations table[]?
function blocks.tolerations(w, title, tolerations)
  local lines = {}
  for i, t in ipairs(values.sorted(tolerations, function(t) return present(t.key) or "" end)) do lines[i] = toleration_line(t) end
  blocks.multiline(w, title, lines)
end

local function taint_line(taint)
  local value, effect = present(taint.value) or "", present(taint.effect) or ""
  local line = taint.key .. (value ~= "" and "=" .. value or "")
  if effect ~= "" then return line .. ":" .. effect end
  return value ~= "" and line .. ":" or line
end

---@param w kubesim.describe.Writer
---@param title string
---@param taints table[]?
function blocks.taints(w, title, taints)
  local lines = {}
  local order = values.sorted(taints, function(taint) return (present(taint.effect) or "") .. "," .. taint.key end)
  for i, taint in ipairs(order) do lines[i] = taint_line(taint) end
  blocks.multiline(w, title, lines)
end

---Conditions of ReplicaSets and Deployments: type, status, reason.
---@param w kubesim.describe.Writer
---@param conditions table[]?
function blocks.conditions(w, conditions)
  if #list(conditions) == 0 then return end
  w:write(0, "Conditions:\n  Type\tStatus\tReason\n")
  w:write(1, "----\t------\t------\n")
  for _, c in ipairs(conditions) do w:write(1, "%s \t%s\t%s\n", c.type, c.status, present(c.reason) or "") end
end

---An event's age: how long ago it was last seen, how often, and since when.
local function interval(e, now)
  local first = values.since(present(e.eventTime) or e.firstTimestamp, now)
  local series = present(e.series)
  if series then return ("%s (x%d over %s)"):format(values.since(series.lastObservedTime, now), series.count or 0, first) end
  if (present(e.count) or 0) > 1 then return ("%s (x%d over %s)"):format(values.since(e.lastTimestamp, now), e.count, first) end
  return first
end

---The events block. Nothing when `events` is nil: they were not asked for.
---@param w kubesim.describe.Writer
---@param events table[]? in the API server's order
---@param now integer Unix time in nanoseconds
function blocks.events(w, events, now)
  if not events then return end
  if #events == 0 then
    w:write(0, "Events:\t<none>\n")
    return
  end
  w:write(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n")
  w:write(1, "----\t------\t----\t----\t-------\n")
  local function last_seen(e)
    return present(e.lastTimestamp) and core.time(e.lastTimestamp) or math.mininteger
  end
  for _, e in ipairs(values.sorted(events, last_seen)) do
    local source = values.at(e, "source", "component") or ""
    if source == "" then source = present(e.reportingComponent) or "" end
    local message = (present(e.message) or ""):match "^%s*(.-)%s*$"
    local path = values.at(e, "involvedObject", "fieldPath") or ""
    if path ~= "" then message = path .. ": " .. message end
    w:write(1, "%s\t%s\t%s\t%s\t%s\n", present(e.type) or "", present(e.reason) or "", interval(e, now), source, message)
  end
end

return blocks
