--- The objects that a command line or a manifest names: `TYPE NAME...`, `TYPE/NAME ...`, `TYPE1,TYPE2`, selectors, `-f`.
---
--- Commands call `resources.find`, then `infos` or `visit` on what it returns. An info is one object to work on:
---     { mapping = what core:kind() tells, namespace = "" for cluster-scoped kinds, name =, object = nil until it is needed,
---       source = "STDIN" or a file's name; nil for what came from the server }
---
--- k8s.io/cli-runtime/pkg/resource: builder.go, result.go, visitor.go, selector.go, mapper.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local manifests <const> = require "kubesim.kubectl.manifests"

local quote <const> = errors.quote

---@class kubesim.kubectl.resources
local resources = {}

---@class kubesim.kubectl.Info
---@field mapping table
---@field namespace string
---@field name string
---@field object? table
---@field source? string
local Info = {}
Info.__index = Info

-- Kinds ----------------------------------------------------------------------------------------------------------------------

--- What `all` stands for, of the kinds that are simulated, in the order of discovery.
local ALL <const> = "pods,services,deployments.apps,replicasets.apps,statefulsets.apps"

---Where people are sent who name no resource (SuggestAPIResources).
resources.SUGGESTION = 'Use "kubectl api-resources" for a complete list of supported resources.'

--- What the core tells of kinds, by the words that were asked for: it is the same for all clusters, and nobody changes it here.
local KINDS <const> = {}

---The kind that a word means (sts, statefulsets.apps, StatefulSet ...); raises when there is none.
---@param ctx kubesim.kubectl.Context
---@param word string
---@return table mapping
function resources.mapping(ctx, word)
  local mapping = KINDS[word] or word ~= "" and ctx.core:kind(word)
  if not mapping then errors.fail("the server doesn't have a resource type %s", quote(word:match "^[^.]*")) end
  KINDS[word] = mapping
  return mapping
end

---"deployment.apps/web", as name printers write it.
---@param mapping table
---@param name string
---@return string
function resources.full_name(mapping, name) return resources.kind_name(mapping) .. "/" .. name end

---"deployment.apps", "pod".
---@param mapping table
---@return string
function resources.kind_name(mapping)
  local kind = mapping.kind:lower()
  return mapping.group == "" and kind or kind .. "." .. mapping.group
end

---"apps/v1, Resource=deployments": GroupVersionResource as Go prints it.
---@param mapping table
---@return string
function resources.gvr(mapping) return ("%s/%s, Resource=%s"):format(mapping.group, mapping.version, mapping.plural) end

-- Infos ----------------------------------------------------------------------------------------------------------------------

local function new_info(mapping, namespace, name, object, source)
  return setmetatable({ mapping = mapping, namespace = mapping.namespaced and namespace or "", name = name, object = object,
    source = source }, Info)
end

---An info of an object as it was read or answered.
---@param ctx kubesim.kubectl.Context
---@param object table
---@return kubesim.kubectl.Info
function resources.info_of(ctx, object)
  local mapping = resources.mapping_of(ctx, object.apiVersion, object.kind)
  return new_info(mapping, object.metadata.namespace or "", object.metadata.name, object)
end

---The kind of this apiVersion and kind, or nil.
---@param ctx kubesim.kubectl.Context
---@param api_version any
---@param kind any
---@return table?
function resources.mapping_of(ctx, api_version, kind)
  local word = tostring(api_version) .. "/" .. tostring(kind)
  local mapping = KINDS[word] or ctx.core:kind_of(tostring(api_version), tostring(kind))
  KINDS[word] = mapping
  return mapping
end

local function not_found(mapping, name)
  local resource = mapping.group == "" and mapping.plural or mapping.plural .. "." .. mapping.group
  return require "kubesim.status".new {
    code = 404, reason = "NotFound", message = ("%s %s not found"):format(resource, quote(name)),
    details = { name = name, group = mapping.group ~= "" and mapping.group or nil, kind = mapping.plural },
  }
end

---The object as it stands; raises NotFound, of the namespace where that does not exist.
---@param ctx kubesim.kubectl.Context
---@param viewed? boolean  as a view
---@return table object
function Info:get(ctx, viewed)
  self.object = self:look(ctx, viewed)
  if self.object then return self.object end
  if self.namespace ~= "" and self.namespace ~= "default" and not ctx.core:get("Namespace", "", self.namespace) then
    error(not_found(ctx.core:kind "namespaces", self.namespace), 0)
  end
  error(not_found(self.mapping, self.name), 0)
end

--- What the server says with every answer about a kind (GetWarningsForGVK of k8s.io/apiserver's deprecation package).
local DEPRECATED <const> = { Endpoints = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice" }

local function warn_of(ctx, mapping)
  local text = DEPRECATED[mapping.kind]
  if text then ctx:told { text } end
end

---The object as it stands, or nil.
---@param ctx kubesim.kubectl.Context
---@param viewed? boolean  as a view
---@return table? object
function Info:look(ctx, viewed)
  if self.name == "" then errors.fail "resource name may not be empty" end
  warn_of(ctx, self.mapping)
  return ctx.core:get(self.mapping.kind, self.namespace, self.name, viewed)
end

---"deployment.apps/web"
function Info:full_name() return resources.full_name(self.mapping, self.name) end

---"deployments/web" (Info.ObjectName)
function Info:object_name() return self.mapping.plural .. "/" .. self.name end

---What fmt prints of an Info.
function Info:__tostring()
  local m = self.mapping
  return ("Resource: %s, GroupVersionKind: %s\nName: %s, Namespace: %s"):format(quote(resources.gvr(m)),
    quote(("%s/%s, Kind=%s"):format(m.group, m.version, m.kind)), quote(self.name), quote(self.namespace))
end

-- What was asked for ---------------------------------------------------------------------------------------------------------

---The different parts of a list with commas.
local function split(text)
  if not text:find(",", 1, true) then return { text } end
  local parts, seen = {}, {}
  for part in (text .. ","):gmatch "([^,]*)," do
    if not seen[part] then parts[#parts + 1] = part end
    seen[part] = true
  end
  return parts
end

---`a,b c` stands for `a/c b/c`.
local function normalize(args)
  if #args < 2 then return args end
  local kinds = split(args[1])
  if #kinds < 2 then return args end
  local pairs_of = {}
  for _, kind in ipairs(kinds) do
    for i = 2, #args do pairs_of[#pairs_of + 1] = kind .. "/" .. args[i] end
  end
  return pairs_of
end

local function split_tuple(word)
  if not word:find("/", 1, true) then return nil end
  local kind, name, more = word:match "^([^/]*)/([^/]*)(.*)$"
  if more ~= "" then errors.fail "arguments in resource/name form may not have more than one slash" end
  if kind == "" or name == "" or #split(kind) ~= 1 then
    errors.fail "arguments in resource/name form must have a single resource and name"
  end
  return { kind = kind, name = name }
end

---The kinds that a word stands for: a list with commas, of which "all" may be one.
local function kinds_of(word)
  local kinds = split(word)
  for i, kind in ipairs(kinds) do
    if kind == "all" then
      kinds[i] = ALL
      word = nil
    end
  end
  return word and kinds or split(table.concat(kinds, ","))
end

---Reads words into asked.tuples, asked.kinds and asked.names (ResourceTypeOrNameArgs).
local function read_args(asked, args, allow_empty_selector)
  args = normalize(args)
  local slashes = 0
  for _, word in ipairs(args) do
    if word:find("/", 1, true) then slashes = slashes + 1 end
  end
  if slashes > 0 then
    if slashes ~= #args then
      errors.fail("there is no need to specify a resource type as a separate argument when passing arguments in resource/name form "
        .. "(e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'")
    end
    for _, word in ipairs(args) do asked.tuples[#asked.tuples + 1] = split_tuple(word) end
    return
  end
  if #args == 0 then return end
  asked.kinds = kinds_of(args[1])
  table.move(args, 2, #args, #asked.names + 1, asked.names)
  if #args == 1 and allow_empty_selector and not asked.labels then asked.labels = "" end
end

---Words of which each is a name of `kind` or TYPE/NAME (ResourceNames).
local function read_names(asked, kind, names)
  for _, word in ipairs(names) do
    local tuple = split_tuple(word)
    if not tuple and kind == "" then errors.fail("the argument %s must be RESOURCE/NAME", quote(word)) end
    asked.tuples[#asked.tuples + 1] = tuple or { kind = kind, name = word }
  end
end

-- Results: how the infos are found -----------------------------------------------------------------------------------------

---@class kubesim.kubectl.Result
---@field single boolean  what was asked for implies a single object
---@field by_selector? boolean  whole kinds were asked for, or what selectors choose of them
---@field mappings? table[]     of which kinds, then
---@field list? fun(mapping: table): table[]  the objects of one, then
---@field each fun(fn: fun(info: kubesim.kubectl.Info?, err: kubesim.Status?))
local Result = {}
Result.__index = Result

---Calls `fn` with each info. Refusals of `fn` and of the finding are collected (with `continue_on_error`, otherwise the first ends
---it); returned as one error, or nil.
---@param fn fun(info: kubesim.kubectl.Info)
---@return kubesim.Status?
function Result:visit(fn)
  local opts, ctx, list = self.opts, self.ctx, {}
  local function work(info)
    self:prepare(info)
    if opts.require_object ~= false and not info.object then info:get(ctx, opts.viewed) end
    fn(info)
  end
  local function one(info, err)
    err = err or errors.try(work, info)
    if err then list[#list + 1] = err end
    return err and not opts.continue_on_error
  end
  local err = errors.try(self.each, one)
  if err then list[#list + 1] = err end
  return self:joined(list)
end

---Refusals as one error.
function Result:joined(list)
  local err = errors.join(list)
  if self.opts.ignore_not_found then err = errors.without_not_found(err) end
  return err
end

---What selectors choose, kind by kind, where infos of the single objects are not needed; and the error of what could not be listed.
---@return { mapping: table, objects: table[] }[]
---@return kubesim.Status?
function Result:lists()
  local lists, refused, ended = {}, {}, false
  for i, mapping in ipairs(self.mappings) do
    local err, objects
    if not ended then err, objects = errors.try(self.list, mapping) end
    lists[i], refused[#refused + 1] = { mapping = mapping, objects = objects or {} }, err
    ended = ended or err ~= nil and not self.opts.continue_on_error
  end
  return lists, self:joined(refused)
end

---All of them, and the error of those that could not be found.
---@return kubesim.kubectl.Info[]
---@return kubesim.Status?
function Result:infos()
  local list = {}
  local err = self:visit(function(info) list[#list + 1] = info end)
  return list, err
end

---All of them; raises when one could not be found.
---@return kubesim.kubectl.Info[]
function Result:all()
  local list, err = self:infos()
  if err then error(err, 0) end
  return list
end

---Where an object that says no namespace goes; others than the one asked for are refused (SetNamespace, RequireNamespace).
function Result:prepare(info)
  if not info.mapping or not info.mapping.namespaced then
    if info.source and info.object and info.object.metadata then info.object.metadata.namespace = nil end
    info.namespace = ""
    return
  end
  local given = self.ctx.namespace
  if info.namespace == "" then
    info.namespace = given
    if info.object and info.object.metadata then info.object.metadata.namespace = given end
  elseif info.source and self.ctx.enforce_namespace and info.namespace ~= given then
    errors.fail("the namespace from the provided object %s does not match the namespace %s. "
      .. "You must pass '--namespace=%s' to perform this operation.", quote(info.namespace), quote(given), info.namespace)
  end
end

local function result(ctx, opts, single, each)
  local r = { ctx = ctx, opts = opts, single = single, each = each, mappings = nil, by_selector = nil, list = nil } -- room for all
  return setmetatable(r, Result)
end

local function mappings_of(ctx, asked, opts)
  if #asked.kinds > 1 and opts.single_type then errors.fail "you may only specify a single resource type" end
  local list, seen = {}, {}
  for _, word in ipairs(asked.kinds) do
    local mapping = resources.mapping(ctx, word)
    if not seen[mapping.kind] then list[#list + 1] = mapping end
    seen[mapping.kind] = true
  end
  return list
end

---The server's refusal of a list, with what was asked for (Selector.Visit).
local function list_refused(err, mapping, labels, fields)
  if not err.code then return err end
  local gvr = quote(resources.gvr(mapping))
  if labels == "" and fields == "" then return errors.prefixed(("Unable to list %s: "):format(gvr), err) end
  return errors.prefixed(("Unable to find %s that match label selector %s, field selector %s: "):format(gvr, quote(labels),
    quote(fields)), err)
end

---All objects of a kind that selectors choose; raises what kubectl says when they are refused.
---@param ctx kubesim.kubectl.Context
---@param mapping table
---@param namespace string?  nil: all
---@param labels string
---@param fields string
---@param viewed? boolean  as views
---@return table[]
function resources.list(ctx, mapping, namespace, labels, fields, viewed)
  warn_of(ctx, mapping)
  local err, list = errors.try(ctx.core.list, ctx.core, mapping.kind, mapping.namespaced and namespace or nil,
    labels ~= "" and labels or nil, fields ~= "" and fields or nil, nil, nil, nil, nil, viewed)
  if err then error(list_refused(err, mapping, labels, fields), 0) end
  return list
end

local function by_selector(ctx, asked, opts)
  if #asked.names > 0 then errors.fail "name cannot be provided when a selector is specified" end
  if #asked.tuples > 0 then errors.fail "selectors and the all flag cannot be used when passing resource/name arguments" end
  if #asked.kinds == 0 then errors.fail "at least one resource must be specified to use a selector" end
  if opts.subresource then errors.fail "subresource cannot be used when bulk resources are specified" end
  local mappings = mappings_of(ctx, asked, opts)
  local labels, fields = asked.labels or "", asked.fields or ""
  local namespace = not opts.all_namespaces and ctx.namespace or nil
  local function list_of(mapping) return resources.list(ctx, mapping, namespace, labels, fields, opts.viewed) end
  local r = result(ctx, opts, false, function(fn)
    for _, mapping in ipairs(mappings) do
      local err, list = errors.try(list_of, mapping)
      if err and fn(nil, err) then return end
      for _, object in ipairs(list or {}) do
        if fn(new_info(mapping, object.metadata.namespace or "", object.metadata.name, object)) then return end
      end
    end
  end)
  r.mappings, r.by_selector, r.list = mappings, true, list_of
  return r
end

local function by_name(ctx, opts, single, list)
  local infos = {}
  for i, item in ipairs(list) do
    if item.mapping.namespaced and opts.all_namespaces then
      errors.fail "a resource cannot be retrieved by name across all namespaces"
    end
    infos[i] = new_info(item.mapping, ctx.namespace, item.name)
  end
  local r = result(ctx, opts, single, function(fn)
    for _, info in ipairs(infos) do
      if fn(info) then return end
    end
  end)
  r.sources = infos
  return r
end

local function by_tuples(ctx, asked, opts)
  if #asked.kinds > 0 then errors.fail "you may not specify individual resources and bulk resources in the same call" end
  local list, kinds, count = {}, {}, 0
  for i, tuple in ipairs(asked.tuples) do
    local mapping = resources.mapping(ctx, tuple.kind)
    if not kinds[mapping.kind] then count = count + 1 end
    kinds[mapping.kind] = true
    list[i] = { mapping = mapping, name = tuple.name }
  end
  if count > 1 and opts.single_type then errors.fail "you may only specify a single resource type" end
  return by_name(ctx, opts, #list == 1, list)
end

local function by_names(ctx, asked, opts)
  if #asked.kinds == 0 then errors.fail "you must provide a resource and a resource name together" end
  if #asked.kinds > 1 then errors.fail "you must specify only one resource" end
  local mapping, list = mappings_of(ctx, asked, opts)[1], {}
  for i, name in ipairs(asked.names) do list[i] = { mapping = mapping, name = name } end
  -- names are no eager list: the first one missing ends it unless the command goes on
  return by_name(ctx, opts, #list == 1, list)
end

local function by_files(ctx, asked, opts)
  if #asked.kinds > 0 then
    errors.fail "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well"
  end
  if #asked.names > 0 then errors.fail "name cannot be provided when a path is specified" end
  if #asked.tuples > 0 then errors.fail "resource/name arguments cannot be provided when a path is specified" end
  local files, single = manifests.open(ctx, asked.files)
  local selector
  if asked.labels and asked.labels ~= "" then
    local why
    selector, why = core.selector(asked.labels)
    if not selector then errors.fail("the provided selector %s is not valid: %s", quote(asked.labels), why) end
  end
  return result(ctx, opts, single, function(fn)
    local function one(object, err, source, in_list)
      local info
      err = err or errors.try(function()
        info = manifests.info(ctx, object, source,
          { offline = opts.offline, in_list = in_list, new_info = new_info, mapping_of = resources.mapping_of })
        if opts.latest then
          if info.namespace == "" and info.mapping.namespaced then info.namespace = ctx.namespace end
          if info.name ~= "" then info:get(ctx) end
        end
      end)
      if not err and selector and not selector:matches((info.object.metadata or {}).labels or {}) then return false end
      return fn(info, err)
    end
    for _, file in ipairs(files) do
      if manifests.each(file, opts.validate, one) then return end
    end
  end)
end

local MISSING <const> = [[
You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>']]

---A selector without blanks around it; nil when there is nothing else.
local function trimmed(text)
  return text and text ~= "" and text:match "^%s*(.*%S)" or nil
end

---Finds what was asked for. Options:
---   args                 words TYPE NAME ..., TYPE/NAME ...;  allow_empty_selector: a TYPE alone means all of it
---   names, default_kind  instead: words NAME or TYPE/NAME
---   files                -f;  validate: refuse what is no object before it is read further ("Strict", "Warn")
---   labels, fields       selectors;  all: --all;  all_namespaces: -A
---   continue_on_error    go on behind errors;  ignore_not_found;  single_type: one kind only
---   viewed               objects of the server are views: they read single fields where they lie, and cannot be changed
---   require_object=false infos need no object;  latest: objects of files as the server has them;  offline: kinds need not exist
---@param ctx kubesim.kubectl.Context
---@param opts table
---@return kubesim.kubectl.Result
function resources.find(ctx, opts)
  local asked = { tuples = {}, kinds = {}, names = {}, files = opts.files or {}, labels = trimmed(opts.labels),
    fields = trimmed(opts.fields) }
  if opts.all and (asked.labels or asked.fields) then errors.fail "setting 'all' parameter but found a non empty selector. " end
  read_args(asked, opts.args or {}, opts.allow_empty_selector)
  if opts.names then read_names(asked, opts.default_kind or "", opts.names) end
  if opts.all then asked.labels = "" end
  if #asked.files > 0 then return by_files(ctx, asked, opts) end
  if asked.labels or asked.fields then return by_selector(ctx, asked, opts) end
  if #asked.tuples > 0 then return by_tuples(ctx, asked, opts) end
  if #asked.names > 0 then return by_names(ctx, asked, opts) end
  if #asked.kinds > 0 then
    for _, kind in ipairs(asked.kinds) do resources.mapping(ctx, kind) end
    errors.fail "resource(s) were provided, but no name was specified"
  end
  errors.fail(MISSING)
end

---Whether words name objects (HasNames).
---@param args string[]
---@return boolean
function resources.has_names(args)
  args = normalize(args)
  for _, word in ipairs(args) do
    if word:find("/", 1, true) then return true end
  end
  return #args > 1
end

return resources
