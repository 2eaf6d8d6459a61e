--- A pod template, and what pods and pod templates have in common. Called by the describers of pods and workloads and by `rollout`.
---
--- kubectl/pkg/describe/describe.go (DescribePodTemplate, describeTopologySpreadConstraints).
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local containers <const> = require "kubesim.kubectl.describe.containers"
local values <const> = require "kubesim.kubectl.values"
local volumes <const> = require "kubesim.kubectl.describe.volumes"
local Writer <const> = require "kubesim.kubectl.describe.writer"

---@class kubesim.describe.podtemplate
local podtemplate = {}

local list <const>, present <const> = values.list, values.present

---@param w kubesim.describe.Writer
---@param constraints table[]?
---@param space string "" for pods, two spaces for templates
function podtemplate.spread(w, constraints, space)
  if #list(constraints) == 0 then return end
  local lines = {}
  for i, c in ipairs(values.sorted(constraints, function(c) return c.topologyKey end)) do
    local selector = present(c.labelSelector)
    lines[i] = ("%s:%s when max skew %d is exceeded%s"):format(c.topologyKey, c.whenUnsatisfiable, c.maxSkew,
      selector and " for selector " .. values.or_none(values.selector(selector)) or "")
  end
  blocks.multiline(w, "Topology Spread Constraints", lines, space)
end

---@param w kubesim.describe.Writer
---@param group table? spec.schedulingGroup
---@param space string
function podtemplate.group(w, group, space)
  if not present(group) then return end
  w:write(0, "%sSchedulingGroup:\n", space)
  w:write(1, "PodGroupName:\t%s\n", present(group.podGroupName) or "")
end

---@param w kubesim.describe.Writer
---@param template table
function podtemplate.write(w, template)
  local meta, spec = list(template.metadata), list(template.spec)
  w:write(0, "Pod Template:\n")
  blocks.labels(w, "  Labels", meta.labels)
  if not values.empty(meta.annotations) then blocks.annotations(w, "  Annotations", meta.annotations) end
  if (present(spec.serviceAccountName) or "") ~= "" then w:write(1, "Service Account:\t%s\n", spec.serviceAccountName) end
  if #list(spec.initContainers) > 0 then containers.write(w, "Init Containers", spec.initContainers, nil, nil, "  ") end
  containers.write(w, "Containers", spec.containers, nil, nil, "  ")
  volumes.write(w, spec.volumes, "  ")
  podtemplate.spread(w, spec.topologySpreadConstraints, "  ")
  if (present(spec.priorityClassName) or "") ~= "" then w:write(1, "Priority Class Name:\t%s\n", spec.priorityClassName) end
  blocks.labels(w, "  Node-Selectors", spec.nodeSelector)
  blocks.tolerations(w, "  Tolerations", spec.tolerations)
  podtemplate.group(w, spec.schedulingGroup, "  ")
end

---A template's text as `rollout history` prints it: its tabs as they are.
---@param template table
---@return string
function podtemplate.raw(template)
  local w = Writer.new()
  podtemplate.write(w, template)
  return w:raw()
end

return podtemplate
