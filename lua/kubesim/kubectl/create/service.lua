--- kubectl create service clusterip, nodeport, loadbalancer, externalname. k8s.io/kubectl/pkg/cmd/create/create_service.go.
local create <const> = require "kubesim.kubectl.create.common"
local errors <const> = require "kubesim.kubectl.errors"
local names <const> = require "kubesim.kubectl.names"

local function port_number(text)
  local number = text:find "^%d+$" and math.tointeger(tonumber(text))
  if not number then errors.fail("strconv.ParseUint: parsing %s: invalid syntax", errors.quote(text)) end
  if number > 65535 then errors.fail("strconv.ParseUint: parsing %s: value out of range", errors.quote(text)) end
  return number
end

---"80:8080" or "80:http".
local function read_port(text)
  local first, second = text:match "^([^:]*):?([^:]*)"
  local port = port_number(first)
  if not text:find(":", 1, true) then return port, port end
  local target = second:find "^[+-]?%d+$" and math.tointeger(tonumber(second))
  if target and (target < 1 or target > 65535) then errors.fail "must be between 1 and 65535, inclusive" end
  if target then return port, target end
  local why = names.port(second)
  if #why > 0 then errors.fail("%s", table.concat(why, ",")) end
  return port, second
end

local function service(kind, opts)
  return {
    flags = { create.flags, { "tcp", false, "slice" }, opts.flags or {} },
    required = opts.required,
    run = function(ctx, args)
      local f, name = ctx.flags, create.name(ctx, args)
      local ip, external = f.clusterip or "", f["external-name"] or ""
      if ip ~= "None" and #f.tcp == 0 and kind ~= "ExternalName" then
        errors.fail "at least one tcp port specifier must be provided"
      end
      if kind == "ExternalName" and #names.subdomain(external) > 0 then
        errors.fail("invalid service external name %s", external)
      end
      local ports = {}
      for i, text in ipairs(f.tcp) do
        local port, target = read_port(text)
        local node = f["node-port"] or 0
        ports[i] = { name = (text:gsub(":", "-")), port = port, targetPort = target, protocol = "TCP",
          nodePort = node ~= 0 and node or nil }
      end
      create.run(ctx, {
        apiVersion = "v1", kind = "Service", metadata = { name = name, labels = { app = name } },
        spec = { type = kind, selector = { app = name }, ports = #ports > 0 and ports or nil,
          externalName = external ~= "" and external or nil, clusterIP = ip ~= "" and ip or nil },
        status = { loadBalancer = {} },
      }, ("failed to create %s service:"):format(kind))
    end,
  }
end

return {
  commands = {
    clusterip = service("ClusterIP", { flags = { { "clusterip", false, "string", "" } } }),
    nodeport = service("NodePort", { flags = { { "node-port", false, "int", 0 } } }),
    loadbalancer = service("LoadBalancer", {}),
    externalname = service("ExternalName", { flags = { { "external-name", false, "string", "" } }, required = { "external-name" } }),
  },
}
