--- Manifests as kubectl reads them: documents of standard input and files, one after the other, each decoded when its turn
--- comes; what is no object is refused. resources.lua calls it.
---
--- k8s.io/cli-runtime/pkg/resource: visitor.go, mapper.go, metadata_decoder.go; k8s.io/apimachinery/pkg/util/yaml/decoder.go;
--- k8s.io/kubectl/pkg/validation.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"

local quote <const> = errors.quote

---@class kubesim.kubectl.manifests
local manifests = {}

---Opens what -f names: "-" is standard input, anything else a file or a folder of files.
---@param ctx kubesim.kubectl.Context
---@param names string[]
---@return { name: string, text: string }[]
---@return boolean single  they are one file, not standard input and not one of a folder's
function manifests.open(ctx, names)
  local files, stdin_used, single = {}, false, true
  for _, name in ipairs(names) do
    if name == "-" then
      if stdin_used then errors.fail "standard input cannot be used for multiple arguments" end
      stdin_used = true
      files[#files + 1] = { name = "STDIN", text = ctx.stdin or "" }
    elseif name:find "^https?://" then
      error(errors.verbatim("not supported: -f with a URL: " .. name), 0)
    else
      local err, found = errors.try(require "kubesim.kubectl.paths".read, name, ctx.flags.recursive)
      if err and name:find "[*?%[]" then error(errors.verbatim("not supported: -f with a pattern: " .. name), 0) end
      if err then error(err, 0) end
      table.move(found, 1, #found, #files + 1, files)
      if #files == 0 then errors.fail("error reading [%s]: recognized file extensions are [.json .yaml .yml]", name) end
      single = single and #found <= 1
    end
  end
  return files, single and not stdin_used and #files == 1
end

-- Documents ------------------------------------------------------------------------------------------------------------------

---The texts between lines of "---". A separator with more behind it than a comment ends the reading.
local function documents(text)
  local list, from, at = {}, 1, 1
  text = text:gsub("^\xEF\xBB\xBF", "")
  while true do
    local stop = at == 1 and text:find "^%-%-%-" and 1 or text:find("\n---", at, true)
    if not stop then break end
    local line = text:sub(stop, stop) == "\n" and stop + 1 or stop
    local finish = text:find("\n", line, true) or #text + 1
    local rest = text:sub(line + 3, finish - 1):match "^%s*(.-)%s*$"
    if line > from then list[#list + 1] = text:sub(from, line - 1) end
    if rest ~= "" and rest:sub(1, 1) ~= "#" then
      return list, "invalid Yaml document separator: " .. rest
    end
    from, at = finish + 1, finish
  end
  if from <= #text then list[#list + 1] = text:sub(from) end
  return list
end

---A list; what is an empty table without the mark of lists is a map.
local function is_array(value) return #value > 0 or getmetatable(value) == core.array end

local function is_map(value) return type(value) == "table" and not is_array(value) end

---What the schema check says of a document before it looks at fields (getObjectKind).
local function check_object(object, file)
  local why = {}
  if not is_map(object) then
    why[1] = "invalid object to validate"
  elseif type(object.apiVersion) == "string" and type(object.kind) == "string" then
    return
  else
    for _, field in ipairs { "apiVersion", "kind" } do
      local value = object[field]
      if value == nil or value == core.null then why[#why + 1] = field .. " not set"
      elseif type(value) ~= "string" then why[#why + 1] = field .. " isn't string type" end
    end
  end
  local text = #why == 1 and why[1] or "[" .. table.concat(why, ", ") .. "]"
  errors.fail("error validating %s: error validating data: %s; if you choose to ignore these errors, turn validation off "
    .. "with --validate=false", quote(file.name), text)
end

---Calls `one(object, err, source, in_list)` with each document of a file until it returns true; true when it did.
---@param file { name: string, text: string }
---@param validate string?
---@param one fun(object: table?, err: kubesim.Status?, source: string, in_list: boolean?): boolean
---@return boolean
function manifests.each(file, validate, one)
  local texts, bad_separator = documents(file.text)
  for _, text in ipairs(texts) do
    local err, list = errors.try(core.yaml_decode, text)
    if err then errors.fail("error parsing %s: %s", file.name, err.message) end
    for _, object in ipairs(list) do
      if object ~= core.null then
        if validate == "Strict" or validate == "Warn" then check_object(object, file) end
        if manifests.flatten(object, file.name, one) then return true end
      end
    end
  end
  if bad_separator then errors.fail("error parsing %s: %s", file.name, bad_separator) end
  return false
end

---Lists are opened.
function manifests.flatten(object, source, one, in_list)
  local items = is_map(object) and object.items
  if type(items) ~= "table" or type(object.kind) ~= "string" or not object.kind:find "List$" then
    return one(object, nil, source, in_list)
  end
  for _, item in ipairs(items) do
    if manifests.flatten(item, source, one, true) then return true end
  end
  return false
end

-- Objects --------------------------------------------------------------------------------------------------------------------

local JSON_TYPE <const> = { boolean = "bool", number = "number", string = "string", table = "object" }

local function json_type(value) return type(value) == "table" and is_array(value) and "array" or JSON_TYPE[type(value)] end

--- Of metadata: the fields that are texts, and those that are maps of texts.
local TEXTS <const>, MAPS <const> = { "name", "generateName", "namespace", "uid", "resourceVersion" }, { "labels", "annotations" }

local function refuse_field(source, value, field, want)
  errors.fail("unable to decode %s: json: cannot unmarshal %s into Go struct field ObjectMeta.metadata.%s of type %s", quote(source),
    json_type(value), field, want)
end

---metadata has to decode into ObjectMeta.
local function check_metadata(metadata, source)
  if metadata == nil or metadata == core.null then return end
  if not is_map(metadata) then
    errors.fail("unable to decode %s: json: cannot unmarshal %s into Go struct field metadataOnlyObject.metadata of type v1.ObjectMeta",
      quote(source), json_type(metadata))
  end
  for _, field in ipairs(TEXTS) do
    local value = metadata[field]
    if value ~= nil and value ~= core.null and type(value) ~= "string" then refuse_field(source, value, field, "string") end
  end
  for _, field in ipairs(MAPS) do
    local map = metadata[field]
    if map ~= nil and map ~= core.null then
      if not is_map(map) then refuse_field(source, map, field, "map[string]string") end
      for _, value in pairs(map) do
        if value ~= core.null and type(value) ~= "string" then refuse_field(source, value, field, "string") end
      end
    end
  end
end

---The info of a document (infoForData).
---@param ctx kubesim.kubectl.Context
---@param object any
---@param source string
---@param opts { offline: boolean?, in_list: boolean?, new_info: function, mapping_of: function }
---@return kubesim.kubectl.Info
function manifests.info(ctx, object, source, opts)
  if not is_map(object) then
    errors.fail("unable to decode %s: json: cannot unmarshal %s into Go value of type unstructured.detector", quote(source),
      json_type(object))
  end
  if type(object.kind) ~= "string" or object.kind == "" then
    errors.fail("%sObject 'Kind' is missing in '%s'", opts.in_list and "" or ("unable to decode %s: "):format(quote(source)),
      (core.encode(object, "json")))
  end
  check_metadata(object.metadata, source)
  local metadata = is_map(object.metadata) and object.metadata or nil
  local function text(field) return metadata and metadata[field] ~= core.null and metadata[field] or "" end
  local mapping = opts.mapping_of(ctx, object.apiVersion, object.kind)
  if not mapping and opts.in_list and not opts.offline then
    errors.fail("unable to recognize no matches for kind %s in version %s", quote(object.kind), quote(tostring(object.apiVersion or "")))
  elseif not mapping and not opts.offline then
    errors.fail("resource mapping not found for name: %s namespace: %s from %s: no matches for kind %s in version %s\n"
      .. "ensure CRDs are installed first", quote(text "name"), quote(text "namespace"), quote(source), quote(object.kind),
      quote(tostring(object.apiVersion or "")))
  end
  if not metadata then
    metadata = {}
    object.metadata = metadata
  end
  return opts.new_info(mapping or { kind = object.kind, group = "", namespaced = true }, text "namespace", text "name", object, source)
end

return manifests
