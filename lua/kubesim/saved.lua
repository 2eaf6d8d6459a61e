--- Clusters in files: what cluster:save and kubesim.load do with paths, and with functions, which no file can hold. What stands in a
--- file, and how a cluster is made of it, is the core's affair (csrc/lua/journal.c, csrc/lua/replay.c).
local core <const> = require "kubesim.core"
local check <const> = require "kubesim.check"

---@class kubesim.saved
local saved = {}

-- Writing ----------------------------------------------------------------------------------------------------------------

---Writes a file beside `path` and gives it that name when it is whole; what is no ordinary file is written to as it stands.
---@param path string
---@param fill fun(file: file*): boolean?, string?   false and why: it could not be written
---@return boolean? written
---@return string? why
local function replace(path, fill)
  local place <const> = core.plain_file(path)
  local draft <const> = place and ("%s.%s.tmp"):format(place, tostring {}:match "%w+$")
  local file, why = io.open(draft or path, "wb")
  if not file then return nil, why end
  local ran, fine
  ran, fine, why = pcall(fill, file)
  local closed, why_not = file:close()
  if fine and not closed then fine, why = nil, why_not end
  if ran and fine and draft then fine, why = os.rename(draft, place) end
  if draft and not (ran and fine) then os.remove(draft) end
  if not ran then error(fine, 0) end
  return fine, why
end

local function version() return require "kubesim"._VERSION end

---Writes a cluster's journal to a file.
---@param handle userdata
---@param path string
function saved.save(handle, path)
  local kept = true
  local fine, why = replace(path, function(file)
    local fine, why = true, nil
    kept = handle:journal(version(), function(text)
      if fine then fine, why = file:write(text) end
    end)
    return kept and fine, why
  end)
  if not kept then check.fail "this cluster cannot be saved: it was made with journal = false" end
  if not fine then check.fail(("cannot save the cluster to '%s': %s"):format(path, why)) end
end

-- Functions --------------------------------------------------------------------------------------------------------------

--- What a policy or an image lacks: {"filter"}, {"http[80]", "commands.ls"}.
---@param told table    what the file tells of the functions: true, or a list of ports or names
---@param given table?  the functions that are there
---@param lacking string[]
---@param name string
---@param format string   how one of a list is written
---@return any functions as the core takes them
local function functions_of(told, given, lacking, name, format)
  if told == nil then return nil end
  local function need(value, text)
    if type(value) == "function" or (getmetatable(value) or {}).__call then return value end
    lacking[#lacking + 1] = text
    return function() error(text .. " was not given", 0) end
  end
  if type(told) ~= "table" then return need(given, name) end
  local all = {}
  for _, key in ipairs(told) do all[key] = need(type(given) == "table" and given[key] or nil, name .. format:format(key)) end
  return all
end

---Puts functions where the file says that there are some.
---@param behaviour table
---@param given table
---@return string[] lacking
local function complete(behaviour, given)
  local lacking = {}
  behaviour.filter = functions_of(behaviour.filter, given.filter, lacking, "filter", "")
  behaviour.score = functions_of(behaviour.score, given.score, lacking, "score", "")
  behaviour.http = functions_of(behaviour.http, given.http, lacking, "http", "[%s]")
  behaviour.commands = functions_of(behaviour.commands, given.commands, lacking, "commands", ".%s")
  return lacking
end

local DEFAULT <const> = "default-scheduler"

---A policy's name among all profiles.
local function policy_key(policy) return ("%s of %s"):format(policy.name, policy.scheduler or DEFAULT) end

---What is given, by the names by which the file's calls ask for it.
local function given_by_name(policies, images)
  local given = { policy = {}, image = images }
  for i, policy in ipairs(policies) do
    if type(policy) ~= "table" or type(policy.name) ~= "string" then
      check.bad(2, "load", ("option 'policies[%d]': a policy with its name expected"):format(i))
    end
    given.policy[policy_key(policy)] = policy
  end
  for name, image in pairs(images) do
    if type(name) ~= "string" or type(image) ~= "table" then
      check.bad(2, "load", "option 'images': names of images and their behaviours expected")
    end
  end
  return given
end

local function name_of(kind, behaviour, image) return kind == "policy" and policy_key(behaviour) or image end

---Refuses to go on without functions that the cluster has, and with those that are of something it has not.
---@param path string
---@param given table
---@param lacking table<string, table<string, string[]>>  by kind and name: the functions that are not there
local function check_functions(path, given, lacking)
  local missing = {}
  for kind, all in pairs(lacking) do
    for name in pairs(given[kind]) do
      if not all[name] then check.bad(2, "load", ("'%s' has no %s '%s'"):format(path, kind, name)) end
    end
    for name, functions in pairs(all) do
      if #functions > 0 then
        table.sort(functions)
        missing[#missing + 1] = ("%s of %s '%s'"):format(table.concat(functions, ", "), kind, name)
      end
    end
  end
  table.sort(missing)
  if #missing > 0 then
    check.fail(("a file cannot hold functions, and '%s' has some: pass %s again, as in kubesim.load(path, { policies = { policy }, "
      .. "images = { [name] = behaviour } })"):format(path, table.concat(missing, "; ")))
  end
end

-- Reading ----------------------------------------------------------------------------------------------------------------

local function read(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  local text
  text, why = file:read "a"
  file:close()
  return text, why
end

---The handle of a cluster that was written to a file.
---@param path string
---@param policies table[]
---@param images table<string, table>
---@return userdata handle
function saved.load(path, policies, images)
  local given <const> = given_by_name(policies, images)
  local text <const>, why = read(path)
  if not text then check.fail(("cannot load a cluster from '%s': %s"):format(path, why)) end
  local lacking <const> = { policy = {}, image = {} } -- of those that are told last
  local fine, handle = pcall(core.replay, text, version(), function(kind, behaviour, image)
    local name <const> = name_of(kind, behaviour, image)
    lacking[kind][name] = complete(behaviour, given[kind][name] or {})
  end)
  if not fine then check.fail(("cannot load a cluster from '%s': %s"):format(path, handle)) end
  local complete_now, why_not = pcall(check_functions, path, given, lacking)
  if complete_now then return handle end
  handle:close()
  error(why_not, 0)
end

return saved
