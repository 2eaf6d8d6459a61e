--- Why nodes, namespaces, budgets and objects of all other kinds are as they are. Called by why.lua.
local values <const> = require "kubesim.kubectl.values"
local Look <const> = require "kubesim.why.look"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

---Conditions that say what is wrong.
local function bad_conditions(causes, object, good)
  for _, condition in ipairs(list(at(object, "status", "conditions"))) do
    if condition.status ~= (good[condition.type] or condition.status) then
      causes[#causes + 1] = ("%s is %s: %s"):format(condition.type, condition.status, Look.reason(condition.reason, condition.message))
    end
  end
end

local function explain_node(node)
  local ready, causes = Look.condition(node, "Ready"), {}
  bad_conditions(causes, node, { Ready = "True", MemoryPressure = "False", DiskPressure = "False", PIDPressure = "False",
    NetworkUnavailable = "False" })
  if node.spec.unschedulable == true then
    causes[#causes + 1] = ("it is cordoned: no pods are put on it; `kubectl uncordon %s` ends that"):format(node.metadata.name)
  end
  for _, taint in ipairs(list(node.spec.taints)) do
    local value = present(taint.value) or ""
    causes[#causes + 1] = ("taint %s%s:%s keeps off pods that do not tolerate it"):format(taint.key, value ~= "" and "=" .. value or "",
      taint.effect)
  end
  return ready and ready.status == "True" and "is Ready" or "is not Ready", causes
end

local function explain_namespace(namespace)
  if not present(namespace.metadata.deletionTimestamp) then return "is " .. (at(namespace, "status", "phase") or "Active"), {} end
  local causes = {}
  for _, condition in ipairs(list(at(namespace, "status", "conditions"))) do
    if condition.status == "True" then causes[#causes + 1] = Look.reason(condition.reason, condition.message) end
  end
  local names = list(at(namespace, "spec", "finalizers"))
  if #names > 0 then causes[#causes + 1] = "it stays until its finalizers are taken off: " .. values.join(names, ", ") end
  return "is Terminating", causes
end

local SHOWN <const> = 3

local function explain_budget(budget, look)
  local status, causes = list(budget.status), {}
  local selector = values.selector(budget.spec.selector)
  if (present(status.expectedPods) or 0) == 0 then
    causes[1] = ("its selector %s matches no pods"):format(values.or_none(selector))
  else
    for _, pod in ipairs(look:list("Pod", budget.metadata.namespace, selector)) do
      local condition = Look.condition(pod, "Ready")
      if (not condition or condition.status ~= "True") and #causes < SHOWN then
        causes[#causes + 1] = look:explain("Pod", pod.metadata.namespace, pod.metadata.name)
      end
    end
  end
  return ("allows %d disruptions: %d of %d pods are healthy, %d must be"):format(present(status.disruptionsAllowed) or 0,
    present(status.currentHealthy) or 0, present(status.expectedPods) or 0, present(status.desiredHealthy) or 0), causes
end

---What can be said of any object: deletion, conditions, the last warning.
local function explain_any(object, look)
  local causes = {}
  for _, condition in ipairs(list(at(object, "status", "conditions"))) do
    local said = Look.reason(condition.reason, condition.message)
    if condition.status ~= "True" and said ~= "" then
      causes[#causes + 1] = ("%s is %s: %s"):format(condition.type, condition.status, said)
    end
  end
  local event = look:last_event(object, object.kind, nil, "Warning")
  if event then causes[#causes + 1] = Look.reason(event.reason, event.message) end
  if present(object.metadata.deletionTimestamp) then
    table.insert(causes, 1, Look.finalizers(object))
    return "is Terminating", causes
  end
  local phase = at(object, "status", "phase")
  return phase and "is " .. phase or "exists", causes
end

return { Node = explain_node, Namespace = explain_namespace, PodDisruptionBudget = explain_budget, default = explain_any }
