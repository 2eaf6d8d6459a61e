--- A cluster, as people use it: checks what they pass, and calls the core.
local check <const> = require "kubesim.check"
local durations <const> = require "kubesim.durations"
local options <const> = require "kubesim.options"
local Status <const> = require "kubesim.status"

---@class kubesim.Cluster
---@field core userdata the core's handle
local Cluster = {}
Cluster.__index = Cluster
Cluster.__name = "kubesim.Cluster"

---A cluster around a handle of the core.
---@param handle userdata
---@return kubesim.Cluster
function Cluster.wrap(handle) return setmetatable({ core = handle }, Cluster) end

-- Arguments ------------------------------------------------------------------------------------------------------------

---The options of `a` and `b`.
local function optional(a, b)
  local known = {}
  for name, types in pairs(a) do known[name] = types end
  for name, types in pairs(b) do known[name] = types end
  return known
end

local PLACE <const> = { namespace = "string" }
local WRITE <const> = { namespace = "string", dry_run = "boolean", field_validation = "string" }
local SELECT <const> = { namespace = "string", all_namespaces = "boolean", labels = "string|table", fields = "string|table" }
local POD <const> = { namespace = "string", container = "string" }
local LOGS <const> = optional(POD, { previous = "boolean" })
local EXEC <const> = optional(POD, { stdin = "string" })
local CRASH <const> = optional(POD, { exit_code = "integer", reason = "string" })

--- What the core tells of a kind, by the words that were asked for: it is the same for all clusters, and nobody changes it here.
local KINDS <const> = {}

---@return table kind information
local function kind_of(self, kind, n, name)
  local info = KINDS[kind]
  if info then return info end
  check.type(kind, n, name, "string")
  info = self.core:kind(kind)
  KINDS[kind] = info
  if not info then error(Status.client(("error: the server doesn't have a resource type %q"):format(kind)), 0) end
  return info
end

local find <const>, sub <const> = string.find, string.sub

--- References that were parsed lately, with their kinds and names: programs write about the same objects again and again.
local MOST_REFS <const> = 4096
local ref_kinds, ref_names, ref_count = {}, {}, 0

---The kind and name of "sts/web".
local function parse_ref(self, ref, n, name)
  local known = ref_kinds[ref]
  if known then return known, ref_names[ref] end
  check.type(ref, n, name, "string")
  local slash = find(ref, "/", 1, true)
  if not slash or slash == 1 or slash == #ref or find(ref, "/", slash + 1, true) then
    check.bad(n, name, ("a reference \"kind/name\" expected, got %q"):format(ref))
  end
  local info, object = kind_of(self, sub(ref, 1, slash - 1), n, name), sub(ref, slash + 1)
  if ref_count == MOST_REFS then ref_kinds, ref_names, ref_count = {}, {}, 0 end
  ref_kinds[ref], ref_names[ref], ref_count = info, object, ref_count + 1
  return info, object
end

---A pod's name, given bare or as "pod/name".
local function pod_name(ref, n, name)
  check.type(ref, n, name, "string")
  local kind, pod = ref:match "^([^/]+)/([^/]+)$"
  if kind and kind ~= "pod" and kind ~= "po" and kind ~= "pods" then check.bad(n, name, "a pod expected, got " .. ref) end
  return pod or ref
end

local function ns_of(opts) return opts.namespace or "default" end

local function to_ns(value, n, name)
  local ns, why = durations.ns(value)
  if not ns then check.bad(n, name, why) end
  return ns
end

local LAST <const> = 1 << 62 -- ns: where the core's clock ends, after 146 years

---The instant at which a time-out of this many seconds ends.
local function deadline(self, timeout, default, n, name)
  local ns = to_ns(timeout == nil and default or timeout, n, name)
  local now = self.core:instant()
  return now > LAST - ns and LAST or now + ns
end

---A label or field selector given as text, or as a table of equalities.
local function selector_text(given, n, name)
  if type(given) ~= "table" then return given end
  local parts = {}
  for key, value in pairs(given) do
    if type(key) ~= "string" then check.bad(n, name, "a selector is a text or a table of names and values") end
    parts[#parts + 1] = key .. "=" .. tostring(value)
  end
  table.sort(parts)
  return table.concat(parts, ",")
end

local VALIDATION <const> = { Strict = true, Warn = true, Ignore = true }

local function validation_of(opts, n, name)
  local mode = opts.field_validation or "Strict"
  if not VALIDATION[mode] then
    check.bad(n, name, ("option 'field_validation': \"Strict\", \"Warn\" or \"Ignore\" expected, got %q"):format(mode))
  end
  return mode
end

---What the API server warns of goes to Lua's own warnings: `warn "@on"` or `lua -W` shows them.
local function tell(warnings)
  if not warnings then return end
  for _, text in ipairs(warnings) do warn("kubesim: Warning: " .. text) end
end

-- Changing it -----------------------------------------------------------------------------------------------------------

local function write(self, verb, manifests, opts)
  check.type(manifests, 1, verb, "string", "table")
  opts = check.opts(opts, 2, verb, WRITE)
  return Status.answer(tell, pcall(self.core.write, self.core, verb, manifests, ns_of(opts), validation_of(opts, 2, verb), opts.dry_run))
end

local function objects(entries)
  local list = {}
  for i, entry in ipairs(entries) do list[i] = entry.object end
  return list
end

---Applies manifests as kubectl does on the client's side. All or nothing.
---@param manifests string|table
---@param opts? { namespace?: string, dry_run?: boolean, field_validation?: string }
---@return { kind: string, name: string, namespace?: string, operation: string, object: table }[]
function Cluster:apply(manifests, opts) return write(self, "apply", manifests, opts) end

---Creates objects. All or nothing.
---@param manifests string|table
---@param opts? table
---@return table[] objects
function Cluster:create(manifests, opts) return objects(write(self, "create", manifests, opts)) end

---Replaces objects.
---@param manifests string|table
---@param opts? table
---@return table[] objects
function Cluster:replace(manifests, opts) return objects(write(self, "replace", manifests, opts)) end

---Stores objects as they are, status included.
---@param manifests string|table
---@param opts? table
---@return table[] objects
function Cluster:import(manifests, opts) return objects(write(self, "import", manifests, opts)) end

local PATCH <const> = optional(WRITE, { type = "string", subresource = "string" })
local PATCHES <const> = { strategic = true, merge = true, json = true }
local SUBRESOURCES <const> = { status = true, scale = true }

---Patches an object.
---@param ref string
---@param patch string|table
---@param opts? { type?: string, subresource?: string, namespace?: string, dry_run?: boolean, field_validation?: string }
---@return table object
function Cluster:patch(ref, patch, opts)
  local info, object = parse_ref(self, ref, 1, "patch")
  check.type(patch, 2, "patch", "string", "table")
  opts = check.opts(opts, 3, "patch", PATCH)
  local way = opts.type or "strategic"
  if not PATCHES[way] then
    check.bad(3, "patch", ("option 'type': \"strategic\", \"merge\" or \"json\" expected, got %q"):format(way))
  end
  if opts.subresource and not SUBRESOURCES[opts.subresource] then
    check.bad(3, "patch", ("option 'subresource': \"status\" or \"scale\" expected, got %q"):format(opts.subresource))
  end
  return Status.answer(tell, pcall(self.core.patch, self.core, info.kind, ns_of(opts), object, patch, way, opts.subresource,
    validation_of(opts, 3, "patch"), opts.dry_run))
end

---Sets the number of replicas.
---@param ref string
---@param n integer
---@param opts? { namespace?: string, dry_run?: boolean }
---@return table object
function Cluster:scale(ref, n, opts)
  local info, object = parse_ref(self, ref, 1, "scale")
  check.type(n, 2, "scale", "integer")
  opts = check.opts(opts, 3, "scale", { namespace = "string", dry_run = "boolean" })
  local scaled, warnings = self.core:scale(info.kind, ns_of(opts), object, math.tointeger(n), opts.dry_run)
  tell(warnings)
  return scaled
end

---Evicts a pod; raises 429 TooManyRequests when a PodDisruptionBudget forbids it.
---@param pod string
---@param opts? { grace_period?: integer, namespace?: string, dry_run?: boolean }
---@return true
function Cluster:evict(pod, opts)
  pod = pod_name(pod, 1, "evict")
  opts = check.opts(opts, 2, "evict", { grace_period = "integer", namespace = "string", dry_run = "boolean" })
  self.core:evict("pod", ns_of(opts), pod, opts.grace_period or -1, opts.dry_run)
  return true
end

local CASCADES <const> = { background = true, foreground = true, orphan = true }

---Deletes an object.
---@param ref string
---@param opts? { grace_period?: integer, cascade?: string, force?: boolean, namespace?: string, dry_run?: boolean }
---@return table? object as it then stands; nil when it is gone
function Cluster:delete(ref, opts)
  local info, object = parse_ref(self, ref, 1, "delete")
  opts = check.opts(opts, 2, "delete", { grace_period = "integer", cascade = "string", force = "boolean", namespace = "string",
    dry_run = "boolean" })
  if opts.cascade and not CASCADES[opts.cascade] then
    check.bad(2, "delete", ("option 'cascade': \"background\", \"foreground\" or \"orphan\" expected, got %q"):format(opts.cascade))
  end
  local grace = opts.grace_period or opts.force and 0 or -1
  return (self.core:delete(info.kind, ns_of(opts), object, math.tointeger(grace), opts.cascade or "background", opts.dry_run))
end

-- Looking ---------------------------------------------------------------------------------------------------------------

---An object, or nil and why.
---@param ref string
---@param opts? { namespace?: string }
---@return table? object
---@return string? why
function Cluster:get(ref, opts)
  local info, name = parse_ref(self, ref, 1, "get")
  opts = check.opts(opts, 2, "get", PLACE)
  local object = self.core:get(info.kind, ns_of(opts), name)
  if object then return object end
  local resource = info.group == "" and info.plural or info.plural .. "." .. info.group
  return nil, ("%s %q not found"):format(resource, name)
end

---A value in a field selector that is made from a table: pkg/fields EscapeValue.
local function escape(value) return (tostring(value):gsub("[\\,=]", "\\%0")) end

---What list, count and watch choose by.
local function selection(opts, n, name, known)
  opts = check.opts(opts, n, name, known)
  local fields = opts.fields
  if type(fields) == "table" then
    local escaped = {}
    for key, value in pairs(fields) do escaped[key] = escape(value) end
    fields = escaped
  end
  return opts, not opts.all_namespaces and ns_of(opts) or nil, selector_text(opts.labels, n, name), selector_text(fields, n, name)
end

---A resourceVersion given as text or as a number.
local function version_text(value)
  return value ~= nil and (math.type(value) == "integer" and ("%d"):format(value) or tostring(value)) or nil
end

---@class kubesim.Selection
---@field namespace? string
---@field all_namespaces? boolean
---@field labels? string|table
---@field fields? string|table

---@class kubesim.ListOptions: kubesim.Selection
---@field limit? integer
---@field continue? string
---@field resource_version? string|integer
---@field resource_version_match? "Exact"|"NotOlderThan"

---@class kubesim.WatchOptions: kubesim.Selection
---@field resource_version? string|integer
---@field bookmarks? boolean

local PAGES <const> = optional(SELECT, { limit = "integer", continue = "string", resource_version = "string|integer",
  resource_version_match = "string" })

---Objects of a kind, in name order. With `limit` a page of them: `continue` in the second value asks for the next page, of the
---same state, however much has changed meanwhile. That second value comes with `limit`, `continue` or `resource_version` only.
---@param kind string
---@param opts? kubesim.ListOptions
---@return table[]
---@return { resourceVersion: string, continue: string?, remainingItemCount: integer? }?
function Cluster:list(kind, opts)
  local info = kind_of(self, kind, 1, "list")
  local ns, labels, fields
  opts, ns, labels, fields = selection(opts, 2, "list", PAGES)
  local match = opts.resource_version_match
  if match and match ~= "Exact" and match ~= "NotOlderThan" then
    check.bad(2, "list", ("option 'resource_version_match': \"Exact\" or \"NotOlderThan\" expected, got %q"):format(match))
  end
  return self.core:list(info.kind, ns, labels, fields, math.tointeger(opts.limit), opts.continue,
    version_text(opts.resource_version), match == "Exact")
end

---How many list would return.
---@param kind string
---@param opts? table
---@return integer
function Cluster:count(kind, opts)
  local info = kind_of(self, kind, 1, "count")
  local _, ns, labels, fields = selection(opts, 2, "count", SELECT)
  return self.core:count(info.kind, ns, labels, fields)
end

---Events, oldest first.
---@param opts? { ref?: string, reason?: string, type?: string, namespace?: string, all_namespaces?: boolean }
---@return table[]
function Cluster:events(opts)
  opts = check.opts(opts, 1, "events", { ref = "string", reason = "string", type = "string", namespace = "string",
    all_namespaces = "boolean" })
  local info, name
  if opts.ref then info, name = parse_ref(self, opts.ref, 1, "events") end
  return self.core:events(not opts.all_namespaces and ns_of(opts) or nil, info and info.kind, name, opts.reason, opts.type)
end

---@class kubesim.Watch
local Watch = {}
Watch.__index = Watch
Watch.__name = "kubesim.Watch"

---Ends the watch.
function Watch:stop()
  if self.id then self.core:unwatch(self.id) end
  self.id = nil
end
Watch.__close = Watch.stop

local WATCHES <const> = optional(SELECT, { resource_version = "string|integer", bookmarks = "boolean" })

---Calls `fn(type, object, old)` on each change of a kind from now on. What it raises reaches the call that let time pass.
---With `resource_version` first on all changes after that version ("0": ADDED for each object that is there); raises 410 Expired
---when they are no longer known. With `bookmarks` also `fn("BOOKMARK", object)`, about once a minute: an object that has
---nothing but the version up to which all has been told.
---@param kind string
---@param fn fun(type: "ADDED"|"MODIFIED"|"DELETED"|"BOOKMARK", object: table, old: table?)
---@param opts? kubesim.WatchOptions
---@return kubesim.Watch
function Cluster:watch(kind, fn, opts)
  local info = kind_of(self, kind, 1, "watch")
  check.type(fn, 2, "watch", "function")
  local ns, labels, fields
  opts, ns, labels, fields = selection(opts, 3, "watch", WATCHES)
  local version = version_text(opts.resource_version)
  local earlier = {}
  if version == "0" or version == "" then
    for i, object in ipairs((self.core:list(info.kind, ns, labels, fields))) do earlier[i] = { type = "ADDED", object = object } end
  elseif version then
    local number = version:match "^%d+$" and math.tointeger(tonumber(version))
    if not number then check.bad(3, "watch", ("option 'resource_version': a version expected, got %q"):format(version)) end
    earlier = self.core:history(info.kind, ns, labels, fields, number)
  end
  -- what happens while the past is told comes after it
  local telling = #earlier > 0
  local function hear(what, object, old)
    if telling then
      earlier[#earlier + 1] = { type = what, object = object, old = old }
    else
      fn(what, object, old)
    end
  end
  local watch = setmetatable({ core = self.core, id = self.core:watch(hear, info.kind, ns, labels, fields, opts.bookmarks) }, Watch)
  local at = 1
  while at <= #earlier and watch.id do
    local change = earlier[at]
    at = at + 1
    local ok, err = pcall(fn, change.type, change.object, change.old)
    if not ok then
      watch:stop()
      error(err, 0)
    end
  end
  telling = false
  return watch
end

---Runs a kubectl command line.
---@param command string|string[]  what follows "kubectl"; a list of words needs no quoting
---@param stdin? string
---@return string stdout
---@return string? stderr what it printed there although it succeeded, if anything: warnings
---@return integer? code  its exit status, if not 0 although nothing failed: kubectl diff, kubectl exec
function Cluster:kubectl(command, stdin)
  check.type(command, 1, "kubectl", "string", "table")
  check.type(stdin, 2, "kubectl", "nil", "string")
  local out, err, code = require "kubesim.kubectl".run(self, command, stdin)
  if code ~= 0 then return out, err, code end
  if err ~= "" then return out, err end
  return out -- alone, so that print(cluster:kubectl "get po") prints what kubectl prints
end

---What a container has written to its standard output.
---@param pod string
---@param opts? { container?: string, previous?: boolean, namespace?: string }
---@return string
function Cluster:logs(pod, opts)
  pod = pod_name(pod, 1, "logs")
  opts = check.opts(opts, 2, "logs", LOGS)
  return self.core:logs(ns_of(opts), pod, opts.container, opts.previous) or ""
end

---Runs a command in a container.
---@param pod string
---@param command string|string[]  shell text, or words
---@param opts? { container?: string, stdin?: string, namespace?: string }
---@return string stdout
---@return integer code
---@return string stderr
function Cluster:exec(pod, command, opts)
  pod = pod_name(pod, 1, "exec")
  check.type(command, 2, "exec", "string", "table")
  opts = check.opts(opts, 3, "exec", EXEC)
  return require "kubesim.shell".exec(self.core, ns_of(opts), pod, opts.container, command, opts.stdin)
end

---Asks cluster DNS.
---@param name string
---@param opts? { from?: string, type?: string, namespace?: string }
---@return table[]? records
---@return string? why "NXDOMAIN" or "NODATA"
function Cluster:resolve(name, opts)
  check.type(name, 1, "resolve", "string")
  opts = check.opts(opts, 2, "resolve", { from = "string", type = "string", namespace = "string" })
  local from = opts.from and pod_name(opts.from, 2, "resolve")
  local records, why = self.core:dns_from(ns_of(opts), from, name, opts.type or "A")
  return records, why
end

---What nslookup prints in a pod.
---@param name string
---@param opts? { from?: string, namespace?: string }
---@return string
function Cluster:nslookup(name, opts)
  check.type(name, 1, "nslookup", "string")
  opts = check.opts(opts, 2, "nslookup", { from = "string", namespace = "string" })
  local from = opts.from and pod_name(opts.from, 2, "nslookup")
  return (require "kubesim.nslookup".run(self.core, ns_of(opts), from, { name }))
end

---An HTTP request, as curl makes it in a pod.
---@param url string
---@param opts? { from?: string, method?: string, body?: string, headers?: table, namespace?: string }
---@return string? body
---@return integer|string status or why
function Cluster:curl(url, opts)
  check.type(url, 1, "curl", "string")
  opts = check.opts(opts, 2, "curl", { from = "string", method = "string", body = "string", headers = "table", namespace = "string" })
  local from = opts.from and pod_name(opts.from, 2, "curl")
  return require "kubesim.curl".get(self.core, ns_of(opts), from, url,
    { method = opts.method, body = opts.body, headers = opts.headers })
end

---The scheduler's last look at a pod; nil when it never looked.
---@param pod string
---@param opts? { namespace?: string }
---@return table?
function Cluster:placement(pod, opts)
  pod = pod_name(pod, 1, "placement")
  opts = check.opts(opts, 2, "placement", PLACE)
  return self.core:placement(ns_of(opts), pod)
end

---Text that names the causes of what is held up: why a pod is pending, not ready or does not go away, a claim unbound, a roll-out stuck,
---a name not resolving.
---@param subject string  a reference ("sts/web"), or a DNS name
---@param opts? { from?: string, namespace?: string }  from: the pod that asks for the name
---@return string
function Cluster:why(subject, opts)
  check.type(subject, 1, "why", "string")
  opts = check.opts(opts, 2, "why", { from = "string", namespace = "string" })
  local from = opts.from and pod_name(opts.from, 2, "why")
  return require "kubesim.why".text(self, subject, { from = from, namespace = opts.namespace })
end

-- Time -------------------------------------------------------------------------------------------------------------------

---Seconds since the start.
---@return number
function Cluster:now() return self.core:now() end

---The virtual time as RFC 3339 text.
---@return string
function Cluster:clock() return self.core:clock() end

---A hash of all that happened: equal runs have equal ones.
---@return string 16 hexadecimal digits
function Cluster:trace() return self.core:trace() end

---Lets so much time pass.
---@param duration number|string
function Cluster:advance(duration)
  check.type(duration, 1, "advance", "number", "string")
  if to_ns(duration, 1, "advance") > LAST - self.core:instant() then
    check.bad(1, "advance", "a cluster's clock ends 146 years after its start")
  end
  self.core:run(deadline(self, duration, 0, 1, "advance"))
end

---Runs the next thing due.
---@return { time: number, component: string, key: string }?
function Cluster:step()
  local step = self.core:step()
  if step then step.time = durations.seconds(step.time) end
  return step
end

---Runs until nothing more will change by itself.
---@param opts? { timeout?: number|string }
---@return true?
---@return string? why
function Cluster:settle(opts)
  opts = check.opts(opts, 1, "settle", { timeout = "number|string" })
  if self.core:settle(deadline(self, opts.timeout, "1h", 1, "settle")) then return true end
  local due = self.core:due()
  return nil, ("something is still due %s from now"):format(durations.text(due - self.core:instant()))
end

---Runs until an object is "ready", "deleted", or "condition=NAME[=VALUE]".
---@param ref string
---@param what string
---@param opts? { timeout?: number|string, namespace?: string }
---@return true?
---@return string? why
function Cluster:wait_for(ref, what, opts)
  local info, name = parse_ref(self, ref, 1, "wait_for")
  check.type(what, 2, "wait_for", "string")
  opts = check.opts(opts, 3, "wait_for", { timeout = "number|string", namespace = "string" })
  local condition, value = what:match "^condition=([^=]+)=?(.*)$"
  if what ~= "ready" and what ~= "deleted" and not condition then
    check.bad(2, "wait_for", ("\"ready\", \"deleted\" or \"condition=NAME[=VALUE]\" expected, got %q"):format(what))
  end
  local ns = ns_of(opts)
  local ok = self.core:wait(condition and "condition" or what, info.kind, ns, name,
    deadline(self, opts.timeout, "10m", 3, "wait_for"), condition, condition and (value ~= "" and value or "True"))
  if ok then return true end
  local causes = require "kubesim.why".object(self.core, info, info.namespaced and ns or "", name)
  return nil, ("timed out waiting for %s of %s: %s"):format(what, ref, causes)
end

---Runs until `fn(cluster)` is true; tried after every change.
---@param fn fun(cluster: kubesim.Cluster): any
---@param opts? { timeout?: number|string }
---@return any
---@return string? why
function Cluster:wait_until(fn, opts)
  check.type(fn, 1, "wait_until", "function")
  opts = check.opts(opts, 2, "wait_until", { timeout = "number|string" })
  local ends = deadline(self, opts.timeout, "10m", 2, "wait_until")
  while true do
    local value = fn(self)
    if value then return value end
    if not self.core:run_to_change(ends) then
      value = fn(self)
      if value then return value end
      return nil, ("timed out after %s"):format(durations.text(to_ns(opts.timeout or "10m", 2, "wait_until")))
    end
  end
end

-- Breaking things and making worlds ---------------------------------------------------------------------------------------

local function node_talks(self, name, talks, method)
  check.type(name, 1, method, "string")
  self.core:node_talks(name:match "^nodes?/(.*)$" or name:match "^no/(.*)$" or name, talks)
end

---The node stops talking to the control plane, its pods with it.
---@param name string
function Cluster:fail_node(name) node_talks(self, name, false, "fail_node") end

---The node talks again.
---@param name string
function Cluster:recover_node(name) node_talks(self, name, true, "recover_node") end

local function check_controller(name, caller)
  check.type(name, 1, caller, "string")
  local why = options.no_controller(name)
  if why then check.bad(1, caller, why) end
end

---A controller restarts: it knows only what stands in the API.
---@param controller string   "statefulset", "replicaset", "deployment", "garbagecollector", ...: all but the kubelet
function Cluster:restart(controller)
  check_controller(controller, "restart")
  self.core:restart(controller)
end

---From now on some of a controller's writes fail: half of those are refused with a server error, half are done and merely answered
---with a time-out.
---@param controller string   as for restart
---@param share number   between 0 (none) and 1 (all)
function Cluster:fail_writes(controller, share)
  check_controller(controller, "fail_writes")
  check.type(share, 2, "fail_writes", "number")
  if not (share >= 0 and share <= 1) then check.bad(2, "fail_writes", "not between 0 and 1") end
  self.core:fail_writes(controller, math.floor(share * 1000 + 0.5))
end

---From now on a component's watches deliver late: it acts on what it has heard of, not on what there is. What is on its way already
---arrives no later than that either; 0 makes it hear of everything at once again.
---@param component string   "statefulset", "replicaset", ..., or "all"
---@param span number|string|(number|string)[]   a duration, or two: between them each delivery's is drawn
function Cluster:lag(component, span)
  check.type(component, 1, "lag", "string")
  local names, why = options.laggards(component)
  if not names then check.bad(1, "lag", why) end
  local least, most = options.lag(span)
  if not least then check.bad(2, "lag", most) end
  for _, name in ipairs(names --[=[@as string[]]=]) do self.core:lag(name, least, most) end
end

---Ends a container's process.
---@param pod string
---@param opts? { container?: string, exit_code?: integer, reason?: string, namespace?: string }
function Cluster:crash(pod, opts)
  pod = pod_name(pod, 1, "crash")
  opts = check.opts(opts, 2, "crash", CRASH)
  self.core:crash(ns_of(opts), pod, opts.container, math.tointeger(opts.exit_code or 1), opts.reason)
end

local STATES <const> = { running = true, ready = true, unready = true, failed = true, succeeded = true, gone = true }

---Reports a pod's state by hand, as a kubelet would.
---@param pod string
---@param state "running"|"ready"|"unready"|"failed"|"succeeded"|"gone"
---@param opts? { namespace?: string }
function Cluster:drive(pod, state, opts)
  pod = pod_name(pod, 1, "drive")
  check.type(state, 2, "drive", "string")
  if not STATES[state] then
    check.bad(2, "drive", ("\"running\", \"ready\", \"unready\", \"failed\", \"succeeded\" or \"gone\" expected, got %q"):format(state))
  end
  opts = check.opts(opts, 3, "drive", PLACE)
  self.core:drive(ns_of(opts), pod, nil, state)
end

local IMAGE <const> = {
  pull = "number|string", start = "number|string", stop = "number|string|boolean", exit = "table|boolean", start_error = "string",
  ready_after = "number|string", http = "function|table", commands = "table", exists = "boolean",
}

---How an image behaves.
---@param name string
---@param behaviour table
function Cluster:image(name, behaviour)
  check.type(name, 1, "image", "string")
  check.type(behaviour, 2, "image", "table")
  check.opts(behaviour, 2, "image", IMAGE)
  local function ns(value) return value ~= nil and to_ns(value, 2, "image") or nil end
  local stop = behaviour.stop
  if stop == true then check.bad(2, "image", "option 'stop': a duration or false expected, got true") end
  if stop ~= false then stop = ns(stop) end
  if behaviour.exit == true then check.bad(2, "image", "option 'exit': a table or false expected, got true") end
  local ends = behaviour.exit and check.opts(behaviour.exit, 2, "image", { code = "integer", after = "number|string", reason = "string" })
    or nil -- false: there is no end
  local commands = behaviour.commands and {}
  for command, fn in pairs(behaviour.commands or {}) do
    if type(command) ~= "string" or type(fn) ~= "function" then
      check.bad(2, "image", "option 'commands': names and functions expected")
    end
    commands[command] = fn
  end
  local http = behaviour.http
  if type(http) == "table" then
    http = {}
    for port, fn in pairs(behaviour.http) do
      if math.type(port) ~= "integer" or type(fn) ~= "function" then
        check.bad(2, "image", "option 'http': a function, or functions by port, expected")
      end
      http[port] = fn
    end
    if next(http) == nil then http = nil end -- it answers nowhere: nobody has to be asked
  end
  self.core:image(name, {
    exists = behaviour.exists, pull = ns(behaviour.pull), start = ns(behaviour.start), stop = stop,
    ready_after = ns(behaviour.ready_after),
    exits = behaviour.exit and true or behaviour.exit, exit_code = ends and math.tointeger(ends.code or 0),
    exit_after = ends and ns(ends.after or 0), exit_reason = ends and ends.reason, start_error = behaviour.start_error,
    commands = commands, serves = behaviour.http ~= nil,
    http = http,
  })
end

local MOST_WEIGHT <const> = 10000

---Adds a scheduling policy.
---@param policy { name: string, scheduler?: string, weight?: integer, filter?: function, score?: function, disable?: string[] }
function Cluster:policy(policy)
  check.type(policy, 1, "policy", "table")
  check.opts(policy, 1, "policy", { name = "string", scheduler = "string", weight = "integer", filter = "function",
    score = "function", disable = "table" })
  if not policy.name then check.bad(1, "policy", "option 'name': string expected, got no value") end
  if policy.name == "" or self.core:has_plugin(policy.name) then
    check.bad(1, "policy", ("option 'name': a name of its own expected, got %q"):format(policy.name))
  end
  if not policy.filter and not policy.score and not policy.disable then
    check.bad(1, "policy", "a policy needs 'filter', 'score' or 'disable'")
  end
  local weight = math.tointeger(policy.weight or 1)
  if weight < 1 or weight > MOST_WEIGHT then
    check.bad(1, "policy", ("option 'weight': from 1 to %d expected, got %d"):format(MOST_WEIGHT, weight))
  end
  local disable = {}
  for i, plugin in ipairs(policy.disable or {}) do
    if type(plugin) ~= "string" then check.bad(1, "policy", "option 'disable': a list of plugin names expected") end
    if not self.core:has_plugin(plugin) then
      check.bad(1, "policy", ("option 'disable': the scheduler has no plugin %q"):format(plugin))
    end
    if plugin == "DefaultBinder" then check.bad(1, "policy", "option 'disable': no profile can do without DefaultBinder") end
    disable[i] = plugin
  end
  local added = self.core:policy {
    name = policy.name, scheduler = policy.scheduler or "default-scheduler", weight = weight,
    filter = policy.filter, score = policy.score, disable = disable,
  }
  if not added then check.bad(1, "policy", ("the profile has a policy %q already"):format(policy.name)) end
end

---An independent cluster in the same state. Policies and images go with it, watches do not.
---@return kubesim.Cluster
function Cluster:fork() return Cluster.wrap(self.core:fork()) end

---Writes the whole state to a file, from which kubesim.load makes a cluster that goes on as this one would. Raises what stands in the
---way; a file that was there is replaced when all has been written.
---@param path string
function Cluster:save(path)
  check.type(path, 1, "save", "string")
  require "kubesim.saved".save(self.core, path)
end

---Frees the cluster. Twice is harmless.
function Cluster:close()
  self.closed = true
  self.core:close()
end
Cluster.__close = Cluster.close

function Cluster:__tostring()
  if self.closed then return "kubesim.Cluster (closed)" end
  local nodes = self.core:count("node", nil)
  return ("kubesim.Cluster (%d node%s, %s)"):format(nodes, nodes == 1 and "" or "s", durations.text(self.core:instant()))
end

return Cluster
