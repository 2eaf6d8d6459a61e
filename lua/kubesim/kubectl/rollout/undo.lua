--- kubectl rollout undo: back to an earlier revision.
---
--- k8s.io/kubectl/pkg/cmd/rollout/rollout_undo.go, pkg/polymorphichelpers/rollback.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local podtemplate <const> = require "kubesim.kubectl.describe.podtemplate"
local resources <const> = require "kubesim.kubectl.resources"
local revisions <const> = require "kubesim.kubectl.revisions"
local values <const> = require "kubesim.kubectl.values"
local writes <const> = require "kubesim.kubectl.writes"

local DONE <const> = "rolled back"

local function skipped(revision)
  return ("skipped rollback (current template already matches revision %d)"):format(revision)
end

local function not_found(revision) errors.fail("unable to find specified revision %d in history", revision) end

local function patch(ctx, info, body, opts, revision)
  local refused = errors.try(writes.patch, ctx, info, body, opts)
  if refused then errors.fail("failed restoring revision %d: %s", revision, refused.message) end
  return DONE
end

---The ReplicaSet of a revision; 0: the one before the newest.
local function replica_set_of(ctx, deployment, revision)
  local all, new = revisions.replica_sets(ctx.core, deployment)
  all[#all + 1] = new
  local latest, previous = { number = -1 }, { number = -1 }
  for _, rs in ipairs(all) do
    local number = revisions.number(rs)
    if number and revision ~= 0 and number == revision then return rs end
    if number and number > latest.number then
      latest, previous = { number = number, rs = rs }, latest
    elseif number and number > previous.number then
      previous = { number = number, rs = rs }
    end
  end
  if revision > 0 then not_found(revision) end
  if not previous.rs then errors.fail("no rollout history found for deployment %s", errors.quote(deployment.metadata.name)) end
  return previous.rs
end

--- Annotations that a Deployment keeps when it is rolled back.
local KEPT <const> = {
  [writes.LAST_APPLIED] = true, ["deployment.kubernetes.io/revision"] = true, ["deployment.kubernetes.io/revision-history"] = true,
  ["deployment.kubernetes.io/desired-replicas"] = true, ["deployment.kubernetes.io/max-replicas"] = true,
  ["deprecated.deployment.rollback.to"] = true,
}

local function restored_annotations(deployment, rs)
  local annotations = {}
  for key, value in pairs(values.list(deployment.metadata.annotations)) do
    if KEPT[key] then annotations[key] = value end
  end
  for key, value in pairs(values.list(rs.metadata.annotations)) do
    if not KEPT[key] then annotations[key] = value end
  end
  return annotations
end

local function deployment_back(ctx, info, revision, dry_run)
  local deployment = info:get(ctx)
  local rs = replica_set_of(ctx, deployment, revision)
  if dry_run == "client" then return podtemplate.raw(rs.spec.template) end
  if deployment.spec.paused == true then
    errors.fail "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again"
  end
  if revisions.same_template(rs.spec.template, deployment.spec.template) then return skipped(revision) end
  local body = core.encode({
    { op = "replace", path = "/spec/template", value = revisions.without_hash(rs.spec.template) },
    { op = "replace", path = "/metadata/annotations", value = restored_annotations(deployment, rs) },
  }, "json")
  return patch(ctx, info, body, { type = "json", dry_run = dry_run }, revision)
end

---The ControllerRevision of a revision; 0: the last but one.
local function controller_revision_of(history, revision)
  if revision == 0 then
    local sorted = values.sorted(history, function(r) return r.revision end)
    return sorted[#sorted - 1]
  end
  for _, r in ipairs(history) do
    if r.revision == revision then return r end
  end
  not_found(revision)
end

local function statefulset_back(ctx, info, revision, dry_run)
  local sts = info:get(ctx)
  local history = revisions.controller_revisions(ctx.core, sts)
  if revision == 0 and #history <= 1 then errors.fail "no last revision to roll back to" end
  local target = controller_revision_of(history, revision)
  local template = revisions.applied(sts, target).spec.template
  if dry_run == "client" then return "will roll back to " .. podtemplate.raw(template) end
  if revisions.same(template, sts.spec.template) then return skipped(revision) end
  return patch(ctx, info, core.encode(target.data, "json"), { type = "strategic", dry_run = dry_run }, revision)
end

local ROLLBACKERS <const> = { Deployment = deployment_back, StatefulSet = statefulset_back }

local function undo(ctx, info, dry_run)
  local revision = ctx.flags["to-revision"]
  if writes.last_applied(info.object) then
    ctx:warn(("resource %s was previously managed with 'kubectl apply'. Rolling back will not update the %s annotation, which may cause "
      .. "unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with your previous configuration file "
      .. "instead."):format(info:object_name(), writes.LAST_APPLIED))
  end
  local back = ROLLBACKERS[info.mapping.kind]
  if not back then revisions.no_viewer(info.mapping, "rollbacker", "retrieving rollbacker for %s, %s") end
  if revision < 0 then not_found(revision) end
  local result = back(ctx, info, revision, dry_run)
  output.printer(ctx, result, dry_run)(info.object)
end

return {
  flags = { flags.filename, flags.selector, flags.dry_run, flags.output, { "to-revision", false, "int64", 0 } },
  run = function(ctx, args)
    local dry_run, files = options.dry_run(ctx), options.files(ctx)
    if #args == 0 and #files == 0 then errors.fail "required resource not specified" end
    local found = resources.find(ctx, { args = args, allow_empty_selector = true, files = files, labels = ctx.flags.selector,
      continue_on_error = true, latest = true })
    local err = found:visit(function(info) undo(ctx, info, dry_run) end)
    if err then error(err, 0) end
  end,
}
