--- kubectl expose. k8s.io/kubectl/pkg/cmd/expose/expose.go, pkg/polymorphichelpers.
local create <const> = require "kubesim.kubectl.create.common"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local overrides <const> = require "kubesim.kubectl.overrides"
local pairs_of <const> = require "kubesim.kubectl.pairs"
local resources <const> = require "kubesim.kubectl.resources"
local values <const> = require "kubesim.kubectl.values"
local writes <const> = require "kubesim.kubectl.writes"

local EXPOSED <const> = { Service = true, Pod = true, Deployment = true, ReplicaSet = true }

local function labels_text(map)
  local list = {}
  for i, key in ipairs(pairs_of.keys(map)) do list[i] = key .. "=" .. map[key] end
  return table.concat(list, ",")
end

local SERVICE <const> = "core/v1.Service"

---MapBasedSelectorForObject
local function selector_of(object)
  if object.kind == "Pod" then
    local labels = object.metadata.labels
    if not labels or not next(labels) then return nil, "the pod has no labels and cannot be exposed" end
    return labels_text(labels)
  elseif object.kind == "Service" then
    if not object.spec.selector then return nil, "the service has no pod selector set" end
    return labels_text(object.spec.selector)
  end
  local selector = object.spec.selector or {}
  if not selector.matchLabels or not next(selector.matchLabels) then
    return nil, ("invalid %s: no selectors, therefore cannot be exposed"):format(object.kind:lower())
  end
  if selector.matchExpressions and #selector.matchExpressions > 0 then
    local list = {}
    for i, e in ipairs(selector.matchExpressions) do
      list[i] = ("{Key:%s Operator:%s Values:%s}"):format(e.key, e.operator, options.list(e.values or {}))
    end
    return nil, ("couldn't convert expressions - \"%s\" to map-based selector format"):format(options.list(list))
  end
  return labels_text(selector.matchLabels)
end

---The ports of an object in their order, each with its protocols.
local function ports_of(object)
  local order, protocols = {}, {}
  local function add(port, protocol)
    local key = tostring(port)
    if not protocols[key] then order[#order + 1], protocols[key] = key, {} end
    for _, known in ipairs(protocols[key]) do
      if known == protocol then return end
    end
    table.insert(protocols[key], protocol)
  end
  if object.kind == "Service" then
    for _, port in ipairs(object.spec.ports or {}) do add(port.port, port.protocol or "TCP") end
    return order, protocols
  end
  local spec = object.kind == "Pod" and object.spec or object.spec.template.spec
  for _, container in ipairs(spec.containers or {}) do
    for _, port in ipairs(container.ports or {}) do add(port.containerPort, port.protocol or "TCP") end
  end
  return order, protocols
end

local function service_ports(o, protocols)
  local ports, list = {}, {}
  for text in ((o.ports or o.port) .. ","):gmatch "([^,]*)," do
    if text ~= "" then list[#list + 1] = text end
  end
  for i, text in ipairs(list) do
    local port = text:find "^[+-]?%d+$" and math.tointeger(tonumber(text))
    if not port then errors.fail("strconv.Atoi: parsing %s: invalid syntax", errors.quote(text)) end
    local known = o.protocol == "" and protocols[text] or { o.protocol ~= "" and o.protocol or "TCP" }
    for _, protocol in ipairs(known) do
      local name = #list > 1 and "port-" .. i or nil
      if #known > 1 then name = ("port-%d-%s"):format(i, protocol:lower()) end
      ports[#ports + 1] = { name = name, port = port, protocol = protocol,
        targetPort = o.target ~= "" and create.int_or_string(o.target) or port }
    end
  end
  return #ports > 0 and ports or nil
end

local function service(f, o, protocols)
  if o.selector == "" then errors.fail "selector must be specified" end
  local name = f.name ~= "" and f.name or o.default_name
  if name == "" then errors.fail "name must be specified" end
  local affinity = f["session-affinity"]
  if affinity ~= "" and affinity ~= "None" and affinity ~= "ClientIP" then
    errors.fail("unknown session affinity: %s", affinity)
  end
  local function given(text) return text ~= "" and text or nil end
  return {
    apiVersion = "v1", kind = "Service", metadata = { name = name, labels = o.labels ~= "" and pairs_of.labels(o.labels) or nil },
    spec = {
      selector = pairs_of.labels(o.selector), ports = service_ports(o, protocols), type = given(f.type), clusterIP = given(f["cluster-ip"]),
      externalIPs = f["external-ip"] ~= "" and { f["external-ip"] } or nil, sessionAffinity = given(affinity),
      loadBalancerIP = f.type == "LoadBalancer" and given(f["load-balancer-ip"]) or nil,
    },
    status = { loadBalancer = {} },
  }
end

---What was not said is taken from the object; for further objects it then counts as said.
local function introspect(f, o, object)
  o.default_name = object.metadata.name:sub(1, 63)
  if o.selector == "" then
    local text, why = selector_of(object)
    if not text then errors.fail("couldn't retrieve selectors via --selector flag or introspection: %s", why) end
    o.selector = text
  end
  local order, protocols = ports_of(object)
  if o.port == "" then
    if #order == 0 and f["cluster-ip"] ~= "None" then errors.fail "couldn't find port via --port flag or introspection" end
    if #order == 1 then o.port = order[1] elseif #order > 1 then o.ports = table.concat(order, ",") end
  end
  if o.labels == "" then o.labels = labels_text(object.metadata.labels or {}) end
  return protocols
end

return {
  flags = {
    flags.filename, flags.output, flags.record, flags.dry_run, flags.save_config, flags.manager "kubectl-expose", overrides.flags,
    { "protocol", false, "string", "" }, { "port", false, "string", "" }, { "type", false, "string", "" },
    { "load-balancer-ip", false, "string", "" }, { "selector", false, "string", "" }, { "labels", "l", "string", "" },
    { "target-port", false, "string", "" }, { "external-ip", false, "string", "" }, { "name", false, "string", "" },
    { "session-affinity", false, "string", "" }, { "cluster-ip", false, "string", "" },
  },
  run = function(ctx, args)
    local f, dry_run = ctx.flags, options.dry_run(ctx)
    local print = output.printer(ctx, "exposed", dry_run, dry_run == "client" and SERVICE or nil)
    local o = { selector = f.selector, port = f.port, labels = f.labels, protocol = f.protocol, target = f["target-port"] }
    local err = resources.find(ctx, { args = args, files = options.files(ctx), continue_on_error = true }):visit(function(info)
      if not EXPOSED[info.mapping.kind] then
        local group = info.mapping.group
        errors.fail("cannot expose a %s", info.mapping.kind .. (group ~= "" and "." .. group or ""))
      end
      local object = overrides.apply(ctx, service(f, o, introspect(f, o, values.bare(info.object))))
      ctx:record(object)
      if dry_run == "client" then
        if ctx.enforce_namespace then object.metadata.namespace = ctx.namespace end
        return print(object)
      end
      object = writes.keep_annotation(object, f["save-config"], SERVICE)
      print(writes.create(ctx, { object = object, namespace = ctx.namespace },
        { validate = "Warn", dry_run = dry_run, manager = f["field-manager"] }))
    end)
    if err then error(err, 0) end
  end,
}
