--- Why a Service leads nowhere. Called by why.lua.
local endpoints <const> = require "kubesim.why.endpoints"
local values <const> = require "kubesim.kubectl.values"
local Look <const> = require "kubesim.why.look"

---@param service table
---@param look kubesim.why.Look
local function explain(service, look)
  if values.present(service.metadata.deletionTimestamp) then return "is Terminating", { Look.finalizers(service) } end
  if service.spec.type == "ExternalName" then return ("stands for the name %s"):format(service.spec.externalName), {} end
  local causes, ready = endpoints.trouble(service, look)
  return ("has %d ready endpoint%s"):format(ready, ready == 1 and "" or "s"), causes
end

return { Service = explain }
