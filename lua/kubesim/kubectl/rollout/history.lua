--- kubectl rollout history: the revisions of a roll-out, or one of them in detail.
---
--- k8s.io/kubectl/pkg/cmd/rollout/rollout_history.go, pkg/polymorphichelpers/history.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local podtemplate <const> = require "kubesim.kubectl.describe.podtemplate"
local resources <const> = require "kubesim.kubectl.resources"
local revisions <const> = require "kubesim.kubectl.revisions"
local values <const> = require "kubesim.kubectl.values"
local Writer <const> = require "kubesim.kubectl.describe.writer"

local CHANGE_CAUSE <const> = "kubernetes.io/change-cause"

local function cause_of(object) return values.list(values.list(object.metadata).annotations)[CHANGE_CAUSE] or "" end

---A template that says why it was made.
local function with_cause(template, cause)
  local copy = output.copy(template)
  copy.metadata = copy.metadata or {}
  copy.metadata.annotations = values.present(copy.metadata.annotations) or {}
  copy.metadata.annotations[CHANGE_CAUSE] = cause
  return copy
end

---By revision: the pod template, why it was made, the object that -o shows.
local function deployment_history(core, deployment)
  local history = {}
  local old, new = revisions.replica_sets(core, deployment)
  old[#old + 1] = new
  for _, rs in ipairs(old) do
    local number, cause, template = revisions.number(rs), cause_of(rs), rs.spec.template
    if cause ~= "" then template = with_cause(template, cause) end
    if number then history[number] = { template = template, cause = cause_of(template), object = rs } end
  end
  return history
end

local function statefulset_history(core, sts)
  local history = {}
  for _, revision in ipairs(revisions.controller_revisions(core, sts)) do
    local applied = revisions.applied(sts, revision)
    history[revision.revision] = { template = applied.spec.template, cause = cause_of(revision), object = applied }
  end
  return history
end

local VIEWERS <const> = { Deployment = deployment_history, StatefulSet = statefulset_history }

local function sorted_numbers(history)
  local numbers = {}
  for number in pairs(history) do numbers[#numbers + 1] = number end
  table.sort(numbers)
  return numbers
end

local function overview(history)
  local lines = { "REVISION\tCHANGE-CAUSE\n" }
  for _, number in ipairs(sorted_numbers(history)) do
    local cause = history[number].cause
    lines[#lines + 1] = ("%d\t%s\n"):format(number, cause ~= "" and cause or "<none>")
  end
  return Writer.columns(table.concat(lines))
end

local function detail(history, revision)
  return errors.check(history[revision], "unable to find the specified revision")
end

local function show_objects(ctx, history)
  local print = output.printer(ctx, "")
  local revision = ctx.flags.revision
  if revision > 0 then return print(detail(history, revision).object) end
  for _, number in ipairs(sorted_numbers(history)) do print(history[number].object) end
end

local function show(ctx, info)
  local viewer, revision = VIEWERS[info.mapping.kind], ctx.flags.revision
  if not viewer then revisions.no_viewer(info.mapping, "history viewer", "retrieving history for %s, %s") end
  local history = viewer(ctx.core, info:get(ctx))
  if ctx.changed.output then return show_objects(ctx, history) end
  local text
  if next(history) == nil then
    text = "No rollout history found."
  elseif revision > 0 then
    text = podtemplate.raw(detail(history, revision).template)
  else
    text = overview(history)
  end
  local heading = revision > 0 and ("with revision #%d"):format(revision) or ""
  output.printer(ctx, heading .. "\n" .. text)(info.object)
end

return {
  flags = { flags.filename, flags.selector, flags.output, { "revision", false, "int64", 0 } },
  run = function(ctx, args)
    local files = options.files(ctx)
    if #args == 0 and #files == 0 then errors.fail "required resource not specified" end
    if ctx.flags.revision < 0 then errors.fail("revision must be a positive integer: %d", ctx.flags.revision) end
    local found = resources.find(ctx, { args = args, allow_empty_selector = true, files = files, labels = ctx.flags.selector,
      continue_on_error = true, latest = true })
    local err = found:visit(function(info) show(ctx, info) end)
    if err then error(err, 0) end
  end,
}
