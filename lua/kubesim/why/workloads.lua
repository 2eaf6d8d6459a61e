--- Why a StatefulSet, ReplicaSet or Deployment is not where it should be: which pod holds it up, and by what. Called by why.lua.
---
--- pkg/controller/statefulset/stateful_set_control.go says in which order a set's pods are made, replaced and taken away.
local revisions <const> = require "kubesim.kubectl.revisions"
local values <const> = require "kubesim.kubectl.values"
local Look <const> = require "kubesim.why.look"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

local SHOWN_PODS <const> = 3

local function add(causes, cause)
  if cause then causes[#causes + 1] = cause end
end

local function ready(pod)
  local condition = Look.condition(pod, "Ready")
  return not present(pod.metadata.deletionTimestamp) and condition ~= nil and condition.status == "True"
end

local function owned_pods(owner, look)
  local pods = {}
  for _, pod in ipairs(look:list("Pod", owner.metadata.namespace, values.selector(owner.spec.selector))) do
    if values.controlled_by(pod, owner) then pods[#pods + 1] = pod end
  end
  return pods
end

---A deleted owner: its finalizers, and what of it is still there.
local function deleted(object, look)
  local held, causes = Look.finalizers(object), {}
  for _, pod in ipairs(owned_pods(object, look)) do
    if #causes < SHOWN_PODS then add(causes, look:explain("Pod", pod.metadata.namespace, pod.metadata.name)) end
  end
  return "is Terminating", held and { { held, causes = causes } } or causes
end

---Whether the controller has not seen the newest spec.
local function unseen(object)
  local observed = at(object, "status", "observedGeneration") or 0
  if observed < (present(object.metadata.generation) or 0) then return "its controller has not seen the newest change of its spec yet" end
end

---Pods that are not ready, each explained, the first few of them.
local function unready_pods(causes, pods, look)
  local more = 0
  for _, pod in ipairs(pods) do
    if not ready(pod) then
      if #causes < SHOWN_PODS then add(causes, look:explain("Pod", pod.metadata.namespace, pod.metadata.name)) else more = more + 1 end
    end
  end
  if more > 0 then add(causes, ("and %d more pods that are not ready"):format(more)) end
end

local FAILED <const> = { FailedCreate = true, FailedDelete = true, FailedUpdate = true }

---The newest failure to make or delete pods, unless a success came after it.
local function failure(object, kind, look)
  local failed = look:last_event(object, kind, FAILED, "Warning")
  if failed then return Look.reason(failed.reason, failed.message) end
end

-- StatefulSets ---------------------------------------------------------------------------------------------------------------------

local function revision_of(pod) return list(pod.metadata.labels)["controller-revision-hash"] or "" end

---The set's pods by ordinal: those that belong to it now, and those that are to go.
local function by_ordinal(sts, look)
  local first = at(sts, "spec", "ordinals", "start") or 0
  local last = first + sts.spec.replicas - 1
  local pods, surplus = {}, {}
  for _, pod in ipairs(owned_pods(sts, look)) do
    local ordinal = math.tointeger(tonumber(pod.metadata.name:match "%-(%d+)$"))
    if ordinal and ordinal >= first and ordinal <= last then
      pods[ordinal] = pod
    elseif ordinal then
      surplus[#surplus + 1] = { ordinal = ordinal, pod = pod }
    end
  end
  table.sort(surplus, function(a, b) return a.ordinal > b.ordinal end)
  return pods, surplus, first, last
end

local function available(pod, sts, look)
  if not ready(pod) then return false end
  local least = present(sts.spec.minReadySeconds) or 0
  local since = Look.condition(pod, "Ready").lastTransitionTime
  return least == 0 or look.now - (require "kubesim.core".time(since) or 0) >= least * 1000000000
end

---Who waits for a pod because pods are made in order: nil when nobody does.
local function waiting_behind(sts, pods, ordinal, last)
  local names = {}
  for i = ordinal + 1, last do
    if not pods[i] then names[#names + 1] = ("%s-%d"):format(sts.metadata.name, i) end
  end
  if #names == 0 then return nil end
  local shown = table.concat(names, ", ", 1, math.min(#names, SHOWN_PODS)) .. (#names > SHOWN_PODS and ", ..." or "")
  return ("pods are made in order: %s %s for pod/%s-%d to be ready"):format(shown, #names == 1 and "waits" or "wait", sts.metadata.name,
    ordinal)
end

---What a pod that is not healthy means for a roll-out that goes in order.
local function broken_rollout(sts, pod)
  local update = at(sts, "status", "updateRevision") or ""
  if present(pod.metadata.deletionTimestamp) or revision_of(pod) == "" then return nil end
  if revision_of(pod) ~= update then
    return ("the roll-out to revision %s is stuck behind it: it was made from revision %s, and with podManagementPolicy OrderedReady it is "
      .. "replaced only when it has become ready; `kubectl delete pod %s` frees the roll-out"):format(update, revision_of(pod),
      pod.metadata.name)
  end
  if at(sts, "status", "currentRevision") ~= update then
    return ("it was made from the new revision %s: with podManagementPolicy OrderedReady the roll-out waits for it; a corrected template "
      .. "alone does not replace it, `kubectl delete pod %s` then does"):format(update, pod.metadata.name)
  end
end

---The first pod that is missing or not healthy, and who waits for it.
local function first_trouble(causes, sts, look, pods, first, last)
  local ordered = sts.spec.podManagementPolicy ~= "Parallel"
  local shown = 0
  for i = first, last do
    local pod, name = pods[i], ("%s-%d"):format(sts.metadata.name, i)
    if not pod or not available(pod, sts, look) then
      shown = shown + 1
      if shown > (ordered and 1 or SHOWN_PODS) then break end
      if not pod then
        add(causes, { ("pod/%s does not exist"):format(name), causes = { failure(sts, "StatefulSet", look) } })
      elseif ready(pod) then
        add(causes, ("pod/%s is ready, and not available before it has been so for %d s (minReadySeconds)"):format(name,
          sts.spec.minReadySeconds))
      else
        local cause = look:explain("Pod", sts.metadata.namespace, name)
        if ordered then
          cause.causes = cause.causes or {}
          add(cause.causes, broken_rollout(sts, pod))
        end
        add(causes, cause)
      end
      add(causes, ordered and waiting_behind(sts, pods, i, last) or nil)
    end
  end
  return shown > 0
end

---Pods that still run an older revision, where nothing is wrong with them.
local function old_revisions(causes, sts, pods, first, last)
  local update, old = at(sts, "status", "updateRevision") or "", {}
  local partition = at(sts, "spec", "updateStrategy", "rollingUpdate", "partition") or 0
  local kept = 0
  for i = first, last do
    if pods[i] and revision_of(pods[i]) ~= update then
      old[#old + 1] = pods[i].metadata.name
      if i < partition then kept = kept + 1 end
    end
  end
  if #old == 0 then return end
  local which = table.concat(old, ", ", 1, math.min(#old, 5)) .. (#old > 5 and ", ..." or "")
  if at(sts, "spec", "updateStrategy", "type") == "OnDelete" then
    add(causes, ("%s run an older revision than %s: with updateStrategy OnDelete they are replaced when somebody deletes them"):format(
      which, update))
  elseif kept == #old then
    add(causes, ("%s keep an older revision than %s: the partition of the roll-out is %d"):format(which, update, partition))
  else
    add(causes, ("%s are still to be replaced, from the highest ordinal down, by revision %s"):format(which, update))
  end
end

---@param sts table
---@param look kubesim.why.Look
local function explain_set(sts, look)
  if present(sts.metadata.deletionTimestamp) then return deleted(sts, look) end
  local causes = {}
  add(causes, unseen(sts))
  local pods, surplus, first, last = by_ordinal(sts, look)
  local troubled = first_trouble(causes, sts, look, pods, first, last)
  if surplus[1] then
    local names = {}
    for i, entry in ipairs(surplus) do names[i] = entry.pod.metadata.name end
    local goes = surplus[1].pod
    local cause = { ("%s are to go, from the highest ordinal down"):format(table.concat(names, ", ")), causes = {} }
    if present(goes.metadata.deletionTimestamp) then add(cause.causes, look:explain("Pod", goes.metadata.namespace, goes.metadata.name)) end
    if troubled and sts.spec.podManagementPolicy ~= "Parallel" and not present(goes.metadata.deletionTimestamp) then
      add(cause.causes, "the set waits for its other pods to be ready first (OrderedReady)")
    end
    add(causes, cause)
  end
  if not troubled then
    old_revisions(causes, sts, pods, first, last)
    if at(sts, "status", "replicas") ~= sts.spec.replicas then add(causes, failure(sts, "StatefulSet", look)) end
  end
  local sentence = ("has %d of %d replicas ready"):format(at(sts, "status", "readyReplicas") or 0, sts.spec.replicas)
  local update, current = at(sts, "status", "updateRevision"), at(sts, "status", "currentRevision")
  if update and update ~= current then
    sentence = sentence .. (", %d of revision %s"):format(at(sts, "status", "updatedReplicas") or 0, update)
  end
  return sentence, causes
end

-- ReplicaSets, Deployments -----------------------------------------------------------------------------------------------------

---What keeps a ReplicaSet from having its pods, and its pods from being ready.
local function set_trouble(causes, rs, look)
  local condition = Look.condition(rs, "ReplicaFailure")
  if condition and condition.status == "True" then
    add(causes, Look.reason(condition.reason, condition.message))
  elseif (at(rs, "status", "replicas") or 0) < rs.spec.replicas then
    add(causes, failure(rs, "ReplicaSet", look))
  end
  unready_pods(causes, owned_pods(rs, look), look)
end

---@param rs table
---@param look kubesim.why.Look
local function explain_replica_set(rs, look)
  if present(rs.metadata.deletionTimestamp) then return deleted(rs, look) end
  local causes = {}
  add(causes, unseen(rs))
  set_trouble(causes, rs, look)
  local ready_count, available_count = at(rs, "status", "readyReplicas") or 0, at(rs, "status", "availableReplicas") or 0
  if #causes == 0 and available_count < ready_count then
    add(causes, ("%d ready pods are not available before they have been ready for %d s (minReadySeconds)"):format(
      ready_count - available_count, present(rs.spec.minReadySeconds) or 0))
  end
  return ("has %d of %d replicas ready"):format(ready_count, rs.spec.replicas), causes
end

local function old_sets(causes, old, look)
  for _, rs in ipairs(old) do
    local count = at(rs, "status", "replicas") or 0
    if count > 0 then
      local cause = { ("%s of an older template still has %d pods"):format(Look.ref("ReplicaSet", rs.metadata.name), count), causes = {} }
      for _, pod in ipairs(owned_pods(rs, look)) do
        if present(pod.metadata.deletionTimestamp) and #cause.causes < SHOWN_PODS then
          add(cause.causes, look:explain("Pod", pod.metadata.namespace, pod.metadata.name))
        end
      end
      add(causes, cause)
    end
  end
end

---@param deployment table
---@param look kubesim.why.Look
local function explain_deployment(deployment, look)
  if present(deployment.metadata.deletionTimestamp) then return deleted(deployment, look) end
  local causes, status = {}, list(deployment.status)
  add(causes, unseen(deployment))
  local old, new = revisions.replica_sets(look.core, deployment)
  if deployment.spec.paused == true then
    add(causes, ("it is paused, so a changed template is not rolled out; `kubectl rollout resume deployment/%s` goes on"):format(
      deployment.metadata.name))
  end
  local progress = Look.condition(deployment, "Progressing")
  if progress and progress.status == "False" then add(causes, Look.reason(progress.reason, progress.message)) end
  if new then
    local inner = {}
    set_trouble(inner, new, look)
    local text = ("%s has %d of %d replicas ready"):format(Look.ref("ReplicaSet", new.metadata.name),
      at(new, "status", "readyReplicas") or 0, new.spec.replicas)
    if #inner > 0 then add(causes, { text, causes = inner }) end
  elseif deployment.spec.paused ~= true then
    add(causes, "the ReplicaSet of its template does not exist yet")
  end
  old_sets(causes, old, look)
  return ("has %d of %d replicas ready, %d of the newest template"):format(present(status.readyReplicas) or 0, deployment.spec.replicas,
    present(status.updatedReplicas) or 0), causes
end

return { StatefulSet = explain_set, ReplicaSet = explain_replica_set, Deployment = explain_deployment }
