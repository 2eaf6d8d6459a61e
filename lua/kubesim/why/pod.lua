--- Why a pod is pending, not ready, or does not go away. Called by why.lua.
local values <const> = require "kubesim.kubectl.values"
local Look <const> = require "kubesim.why.look"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

local function add(causes, cause)
  if cause then causes[#causes + 1] = cause end
end

-- Not there yet: scheduling ------------------------------------------------------------------------------------------------------

---The claims that a pod's volumes name.
local function claims_of(pod)
  local names = {}
  for _, volume in ipairs(list(pod.spec.volumes)) do
    local name = at(volume, "persistentVolumeClaim", "claimName")
    if at(volume, "ephemeral") then name = pod.metadata.name .. "-" .. volume.name end
    if name then names[#names + 1] = name end
  end
  return names
end

---Claims that are not bound, each explained.
local function unbound_claims(causes, pod, look)
  for _, name in ipairs(claims_of(pod)) do
    local claim = look:get("PersistentVolumeClaim", pod.metadata.namespace, name)
    if not claim or at(claim, "status", "phase") ~= "Bound" or present(claim.metadata.deletionTimestamp) then
      add(causes, look:explain("PersistentVolumeClaim", pod.metadata.namespace, name))
    end
  end
end

local LISTED_NODES <const> = 10

---What keeps the pod off each node, where nodes differ.
local function per_node(pod, look)
  local placement = look.core:placement(pod.metadata.namespace, pod.metadata.name)
  local nodes, reasons, count, differ = {}, {}, 0, false
  for name, node in pairs(placement and placement.nodes or {}) do
    if node.reason then
      count = count + 1
      nodes[#nodes + 1] = name
      reasons[name] = ("%s: %s (%s)"):format(Look.ref("Node", name), node.reason, node.plugin)
      differ = differ or node.reason ~= placement.nodes[nodes[1]].reason
    end
  end
  if not differ or count > LISTED_NODES then return {} end
  table.sort(nodes)
  for i, name in ipairs(nodes) do nodes[i] = reasons[name] end
  return nodes
end

---The scheduler's message without what it says of preemption and claims.
local function short_message(message)
  local cut = message:find(" preemption: ", 1, true)
  return cut and message:sub(1, cut - 1):gsub("%.? ?no new claims to deallocate,?$", "") or message
end

local function unscheduled(pod, look)
  local causes = {}
  for _, gate in ipairs(list(pod.spec.schedulingGates)) do add(causes, ("its scheduling gate %s is not removed"):format(gate.name)) end
  for _, claim in ipairs(list(pod.spec.resourceClaims)) do
    add(causes, ("resource claim %s does not exist: devices, ResourceClaims and their templates are not simulated"):format(claim.name))
  end
  if #causes > 0 then return "is Pending: the scheduler leaves it alone", causes end
  local condition = Look.condition(pod, "PodScheduled")
  if not condition then
    add(causes, ("scheduler %s has not looked at it"):format(present(pod.spec.schedulerName) or "default-scheduler"))
    return "is Pending: it is not scheduled", causes
  end
  add(causes, { short_message(Look.reason(nil, condition.message)), causes = per_node(pod, look) })
  unbound_claims(causes, pod, look)
  local nominated = at(pod, "status", "nominatedNodeName") or ""
  if nominated ~= "" then add(causes, ("it waits for pods of lower priority to leave node %s"):format(nominated)) end
  if look.core:count("Node", nil, nil, nil) == 0 then add(causes, "the cluster has no nodes") end
  return "is Pending: no node takes it", causes
end

-- On its node ----------------------------------------------------------------------------------------------------------------

local function node_trouble(pod, look)
  local name = pod.spec.nodeName
  local talks = look:node_talks(name)
  if talks == nil then return ("its node %s does not exist any more"):format(name) end
  if talks then return nil end
  local ready = Look.condition(look:get("Node", nil, name), "Ready")
  return ("its node %s is not ready (%s)"):format(name, ready and Look.reason(ready.reason, ready.message) or "it has reported nothing")
end

---Objects that the pod's volumes and environment need and that do not exist: "configmap "x" not found".
local function missing_objects(pod, look)
  local found, seen = {}, {}
  local function need(kind, name, optional, whose)
    if not name or name == "" or optional == true or look:get(kind, pod.metadata.namespace, name) then return end
    local text = ("%s %q, which %s needs, does not exist"):format(kind:lower(), name, whose)
    if not seen[text] then found[#found + 1] = text end
    seen[text] = true
  end
  local function need_of(source, whose)
    local map, secret = at(source, "configMap"), at(source, "secret")
    if map then need("ConfigMap", map.name, map.optional, whose) end
    if secret then need("Secret", present(secret.secretName) or secret.name, secret.optional, whose) end
  end
  for _, volume in ipairs(list(pod.spec.volumes)) do
    local whose = "volume " .. volume.name
    need_of(volume, whose)
    for _, source in ipairs(list(at(volume, "projected", "sources"))) do
      if at(source, "configMap", "name") ~= "kube-root-ca.crt" then need_of(source, whose) end
    end
  end
  for _, group in ipairs { "initContainers", "containers" } do
    for _, container in ipairs(list(pod.spec[group])) do
      local whose = "container " .. container.name
      for _, from in ipairs(list(container.envFrom)) do
        local map, secret = at(from, "configMapRef"), at(from, "secretRef")
        if map then need("ConfigMap", map.name, map.optional, whose) end
        if secret then need("Secret", secret.name, secret.optional, whose) end
      end
      for _, variable in ipairs(list(container.env)) do
        local map, secret = at(variable, "valueFrom", "configMapKeyRef"), at(variable, "valueFrom", "secretKeyRef")
        if map then need("ConfigMap", map.name, map.optional, whose) end
        if secret then need("Secret", secret.name, secret.optional, whose) end
      end
    end
  end
  return found
end

local MOUNT_TROUBLE <const> = { FailedAttachVolume = true, FailedMount = true, FailedMapVolume = true, FailedCreatePodSandBox = true }

---Pods that use a claim on other nodes than this pod's.
local function users_elsewhere(pod, claim, look)
  local names = {}
  for _, other in ipairs(look:list("Pod", pod.metadata.namespace)) do
    local node = present(other.spec.nodeName)
    if node and node ~= pod.spec.nodeName then
      for _, name in ipairs(claims_of(other)) do
        if name == claim.metadata.name then names[#names + 1] = ("pod/%s uses it on node %s"):format(other.metadata.name, node) end
      end
    end
  end
  return names
end

---Volumes that are attached to other nodes, and who holds them there.
local function attached_elsewhere(causes, pod, look)
  for _, name in ipairs(claims_of(pod)) do
    local claim = look:get("PersistentVolumeClaim", pod.metadata.namespace, name)
    local volume = at(claim, "spec", "volumeName")
    for _, attachment in ipairs(volume and look:list("VolumeAttachment") or {}) do
      if at(attachment, "spec", "source", "persistentVolumeName") == volume and attachment.spec.nodeName ~= pod.spec.nodeName then
        add(causes, { ("volume %s of claim %s is attached to node %s and may be attached to one node only (%s); the pod is on node %s")
          :format(volume, name, attachment.spec.nodeName, values.join(claim.spec.accessModes, ", "), pod.spec.nodeName),
          causes = users_elsewhere(pod, claim, look) })
      end
    end
  end
end

local function volume_trouble(causes, pod, look)
  local event = look:last_event(pod, "Pod", MOUNT_TROUBLE, "Warning")
  if not event then return end
  add(causes, Look.reason(event.reason, event.message))
  if event.reason == "FailedAttachVolume" then attached_elsewhere(causes, pod, look) end
  unbound_claims(causes, pod, look)
end

local function ended_text(ended)
  local reason = present(ended.reason) or ""
  local text = ("exit code %d%s"):format(present(ended.exitCode) or 0, reason ~= "" and " (" .. reason .. ")" or "")
  return (present(ended.message) or "") ~= "" and text .. ": " .. ended.message or text
end

---The last failure of a probe of a container.
local function probe_event(pod, container, look, probe)
  local path = ("containers{%s}"):format(container.name)
  local latest
  for _, event in ipairs(look:events(pod, "Pod", { Unhealthy = true }, "Warning")) do
    local about = at(event, "involvedObject", "fieldPath") or ""
    if about:find(path, 1, true) and event.message:find("^" .. probe .. " probe") then latest = event end
  end
  return latest and latest.message
end

local function running_trouble(pod, container, status, look)
  local name = "container " .. container.name
  if present(container.startupProbe) and status.started ~= true then
    return ("%s has not passed its startup probe: %s"):format(name,
      probe_event(pod, container, look, "Startup") or "it has not succeeded yet")
  end
  if present(container.readinessProbe) then
    return ("%s does not pass its readiness probe: %s"):format(name,
      probe_event(pod, container, look, "Readiness") or "it has not succeeded yet")
  end
  return name .. " runs and is not ready"
end

local HINTS <const> = {
  CrashLoopBackOff = "it ends again and again",
  ImagePullBackOff = "its image cannot be pulled", ErrImagePull = "its image cannot be pulled",
  ErrImageNeverPull = "its image is not on the node and may not be pulled", CreateContainerConfigError = "its configuration is incomplete",
}

local function waiting_trouble(container, status, look)
  local waiting = at(status, "state", "waiting")
  local name, reason = "container " .. container.name, present(waiting.reason) or ""
  local text = ("%s waits: %s"):format(name, Look.reason(reason, waiting.message))
  if HINTS[reason] then text = ("%s waits, for %s: %s"):format(name, HINTS[reason], Look.reason(reason, waiting.message)) end
  local last = at(status, "lastState", "terminated")
  if not last then return text end
  return { text, causes = { ("it last ended with %s, %s ago; restarts: %d"):format(ended_text(last), look:since(last.finishedAt),
    present(status.restartCount) or 0) } }
end

---Why a container keeps its pod from being ready; nil when it does not.
local function container_trouble(pod, container, status, look)
  local ended = at(status, "state", "terminated")
  if at(status, "state", "waiting") then return waiting_trouble(container, status, look) end
  if ended then
    local stays = pod.spec.restartPolicy == "Never"
    return ("container %s has ended with %s, %s ago%s"):format(container.name, ended_text(ended), look:since(ended.finishedAt), stays
      and ", and is not restarted (restartPolicy Never)" or ("; it is restarted after a delay, so far %d times"):format(
      present(status.restartCount) or 0))
  end
  if status.ready == true then return nil end
  return running_trouble(pod, container, status, look)
end

---Init containers are passed one by one: the first that is not.
local function init_trouble(pod, look)
  local statuses = {}
  for _, status in ipairs(list(at(pod, "status", "initContainerStatuses"))) do statuses[status.name] = status end
  for _, container in ipairs(list(pod.spec.initContainers)) do
    local status = statuses[container.name]
    if not status then return nil end
    local ended = at(status, "state", "terminated")
    local stays = container.restartPolicy == "Always"
    if not (stays and status.started == true) and not (ended and ended.exitCode == 0) then
      if at(status, "state", "running") and not stays then return ("init container %s is still running"):format(container.name) end
      local cause = container_trouble(pod, container, status, look)
      if type(cause) == "table" then
        cause[1] = "init " .. cause[1]
        return cause
      end
      return cause and "init " .. cause
    end
  end
end

local PLAIN_WAITS <const> = { ContainerCreating = true, PodInitializing = true }

local function on_node(pod, look)
  local causes, status = {}, list(pod.status)
  add(causes, node_trouble(pod, look))
  local statuses, plain = {}, true
  for _, s in ipairs(list(status.containerStatuses)) do statuses[s.name] = s end
  local init = init_trouble(pod, look)
  add(causes, init)
  for _, container in ipairs(list(pod.spec.containers)) do
    local s = statuses[container.name]
    local reason = s and at(s, "state", "waiting", "reason")
    if s and not PLAIN_WAITS[reason] then
      plain = false
      add(causes, container_trouble(pod, container, s, look))
    end
  end
  if plain and not init then
    local before = #causes
    for _, text in ipairs(missing_objects(pod, look)) do add(causes, text) end
    volume_trouble(causes, pod, look)
    if #causes == before then
      add(causes, #list(status.containerStatuses) == 0 and "its kubelet has not reported on it yet" or "its containers are being created")
    end
  end
  for _, gate in ipairs(list(pod.spec.readinessGates)) do
    local condition = Look.condition(pod, gate.conditionType)
    if not condition or condition.status ~= "True" then
      add(causes, ("its readiness gate %s is %s"):format(gate.conditionType, condition and condition.status or "not set"))
    end
  end
  if #causes == 0 then
    local ready = Look.condition(pod, "Ready")
    add(causes, ready and Look.reason(ready.reason, ready.message) ~= "" and Look.reason(ready.reason, ready.message) or nil)
  end
  return ("is %s on node %s and not ready"):format(present(status.phase) or "unknown", pod.spec.nodeName), causes
end

-- Going away -------------------------------------------------------------------------------------------------------------------

local function terminating(pod, look)
  local causes, name = {}, pod.metadata.name
  add(causes, Look.finalizers(pod))
  local node = present(pod.spec.nodeName)
  local talks = node and look:node_talks(node)
  if node and not talks then
    add(causes, ("%s; nobody tells that its containers have ended, so it stays; `kubectl delete pod %s --force` gives it up"):format(
      node_trouble(pod, look), name))
  elseif node then
    local left = look:until_(pod.metadata.deletionTimestamp)
    local grace = present(pod.metadata.deletionGracePeriodSeconds) or 0
    if left then
      add(causes, ("its containers have %s left of a grace period of %ds"):format(left, grace))
    elseif #causes == 0 then
      add(causes, ("its grace period of %ds is over; its kubelet has not reported that its containers have ended"):format(grace))
    end
  end
  return "is Terminating", causes
end

---@param pod table
---@param look kubesim.why.Look
---@return string sentence
---@return table causes
local function explain(pod, look)
  if present(pod.metadata.deletionTimestamp) then return terminating(pod, look) end
  local phase = at(pod, "status", "phase")
  if phase == "Succeeded" or phase == "Failed" then
    local causes = {}
    for _, status in ipairs(list(at(pod, "status", "containerStatuses"))) do
      local ended = at(status, "state", "terminated")
      if ended then add(causes, ("container %s ended with %s"):format(status.name, ended_text(ended))) end
    end
    local said = Look.reason(at(pod, "status", "reason"), at(pod, "status", "message"))
    return ("has ended: %s%s"):format(phase, said ~= "" and ": " .. said or ""), causes
  end
  if (present(pod.spec.nodeName) or "") == "" then return unscheduled(pod, look) end
  local ready = Look.condition(pod, "Ready")
  if ready and ready.status == "True" then return "is Running and ready", {} end
  return on_node(pod, look)
end

return { Pod = explain }
