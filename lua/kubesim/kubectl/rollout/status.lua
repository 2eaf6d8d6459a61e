--- kubectl rollout status: how far a roll-out is, followed until it is done.
---
--- k8s.io/kubectl/pkg/cmd/rollout/rollout_status.go, pkg/polymorphichelpers/rollout_status.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local following <const> = require "kubesim.kubectl.following"
local options <const> = require "kubesim.kubectl.options"
local resources <const> = require "kubesim.kubectl.resources"
local revisions <const> = require "kubesim.kubectl.revisions"
local values <const> = require "kubesim.kubectl.values"

local at <const>, quote <const> = values.at, errors.quote

local function number(object, ...) return at(object, ...) or 0 end

local function progress_reason(deployment)
  for _, condition in ipairs(values.list(at(deployment, "status", "conditions"))) do
    if condition.type == "Progressing" then return condition.reason end
  end
end

---@param deployment table
---@param revision integer 0: any
---@return string text
---@return boolean done
local function deployment_status(deployment, revision)
  local name = quote(deployment.metadata.name)
  if revision > 0 then
    local running = revisions.number(deployment)
    if not running then
      errors.fail("cannot get the revision of deployment %s: strconv.ParseInt: parsing %s: invalid syntax", name,
        quote(revisions.text(deployment)))
    end
    if running ~= revision then
      errors.fail("desired revision (%d) is different from the running revision (%d)", revision, running)
    end
  end
  if number(deployment, "metadata", "generation") > number(deployment, "status", "observedGeneration") then
    return "Waiting for deployment spec update to be observed...\n", false
  end
  if progress_reason(deployment) == "ProgressDeadlineExceeded" then
    errors.fail("deployment %s exceeded its progress deadline", name)
  end
  local wanted, updated = number(deployment, "spec", "replicas"), number(deployment, "status", "updatedReplicas")
  local all, available = number(deployment, "status", "replicas"), number(deployment, "status", "availableReplicas")
  local waiting = "Waiting for deployment " .. name .. " rollout to finish: "
  if updated < wanted then return waiting .. ("%d out of %d new replicas have been updated...\n"):format(updated, wanted), false end
  if all > updated then return waiting .. ("%d old replicas are pending termination...\n"):format(all - updated), false end
  if available < updated then return waiting .. ("%d of %d updated replicas are available...\n"):format(available, updated), false end
  return "deployment " .. name .. " successfully rolled out\n", true
end

---@param sts table
---@return string text
---@return boolean done
local function statefulset_status(sts)
  if at(sts, "spec", "updateStrategy", "type") ~= "RollingUpdate" then
    errors.fail "rollout status is only available for RollingUpdate strategy type"
  end
  local observed = number(sts, "status", "observedGeneration")
  if observed == 0 or number(sts, "metadata", "generation") > observed then
    return "Waiting for statefulset spec update to be observed...\n", false
  end
  local wanted, ready = number(sts, "spec", "replicas"), number(sts, "status", "readyReplicas")
  if ready < wanted then return ("Waiting for %d pods to be ready...\n"):format(wanted - ready), false end
  local updated, rolling = number(sts, "status", "updatedReplicas"), at(sts, "spec", "updateStrategy", "rollingUpdate")
  if rolling then
    local partition = values.present(rolling.partition)
    if partition and updated < wanted - partition then
      return ("Waiting for partitioned roll out to finish: %d out of %d new pods have been updated...\n"):format(updated,
        wanted - partition), false
    end
    return ("partitioned roll out complete: %d new pods have been updated...\n"):format(updated), true
  end
  local update, current = at(sts, "status", "updateRevision") or "", at(sts, "status", "currentRevision") or ""
  if update ~= current then
    return ("waiting for statefulset rolling update to complete %d pods at revision %s...\n"):format(updated, update), false
  end
  return ("statefulset rolling update complete %d pods at revision %s...\n"):format(number(sts, "status", "currentReplicas"), current),
    true
end

local VIEWERS <const> = { Deployment = deployment_status, StatefulSet = statefulset_status }

local function show(ctx, info)
  local f, mapping = ctx.flags, info.mapping
  local viewer = VIEWERS[mapping.kind]
  if not viewer then
    local kind = mapping.group == "" and mapping.kind or mapping.kind .. "." .. mapping.group
    errors.fail("no status viewer has been implemented for %s", kind)
  end
  local ends = f.timeout > 0 and following.deadline(ctx.core, f.timeout) or nil
  local last
  local done = following.follow(ctx, info, ends, function(type, object)
    if type == "DELETED" then errors.fail "object has been deleted" end
    local finished
    last, finished = viewer(object, f.revision)
    ctx:out(last)
    return finished or not f.watch
  end)
  if done then return end
  if ends then errors.fail "timed out waiting for the condition" end
  following.hung(ctx, "it says: " .. (last or "nothing"):gsub("\n$", ""))
end

return {
  flags = {
    flags.filename, flags.selector, { "watch", "w", "bool", true }, { "revision", false, "int64", 0 },
    { "timeout", false, "duration", 0 },
  },
  run = function(ctx, args)
    local f, files = ctx.flags, options.files(ctx)
    if #args == 0 and #files == 0 then errors.fail "required resource not specified" end
    if f.revision < 0 then errors.fail("revision must be a positive integer: %d", f.revision) end
    local found = resources.find(ctx, { args = args, allow_empty_selector = true, files = files, labels = f.selector,
      continue_on_error = true, latest = true })
    local any = false
    local err = found:visit(function(info)
      any = true
      show(ctx, info)
    end)
    if err then error(err, 0) end
    if not any then ctx:err(("No resources found in %s namespace.\n"):format(ctx.namespace)) end
  end,
}
