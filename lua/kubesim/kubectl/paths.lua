--- The files that -f PATH means: a file, or those of a folder that look like manifests, with -R those of its folders too. manifests.lua
--- calls `read`; create/sources.lua asks for the files of a folder. Folders are listed with LuaFileSystem, loaded when one is given.
---
--- k8s.io/cli-runtime/pkg/resource: builder.go (FilenameParam, Path), visitor.go (ExpandPathsToFileVisitors); Go's path/filepath: Walk.
local errors <const> = require "kubesim.kubectl.errors"

local quote <const> = errors.quote

local paths = {}

local EXTENSIONS <const> = { [".json"] = true, [".yaml"] = true, [".yml"] = true }
local NO_ENTRY <const>, NOT_A_FOLDER <const> = 2, 20 -- errno

---A system's words as Go writes them: "permission denied".
local function in_go(why) return (why:match "([^:]*)$":match "^%s*(.*)$":gsub("^%u", string.lower)) end

---filepath.Join: without ".", doubled slashes and what ".." takes back.
local function joined(folder, name)
  local parts, root = {}, folder:sub(1, 1) == "/" and "/" or ""
  for part in (folder .. "/" .. name):gmatch "[^/]+" do
    if part == ".." and #parts > 0 and parts[#parts] ~= ".." then
      parts[#parts] = nil
    elseif part ~= "." and (part ~= ".." or root == "") then
      parts[#parts + 1] = part
    end
  end
  return root .. table.concat(parts, "/")
end

---The text of a file; nil for a folder, and for a link to one.
local function text_of(path)
  local file, why, number = io.open(path, "rb")
  if not file then
    if number == NO_ENTRY then errors.fail("the path %s does not exist", quote(path)) end
    if number == NOT_A_FOLDER then errors.fail("the path %s cannot be accessed: stat %s: not a directory", quote(path), path) end
    errors.fail("open %s: %s", path, in_go(why))
  end
  local text = file:read "a"
  file:close()
  return text
end

---What lists folders; refuses by name where it is missing.
local function lister(what, path)
  local found, lfs = pcall(require, "lfs")
  if found then return lfs end
  error(errors.verbatim(("not supported: %s: %s (the Lua module lfs, LuaFileSystem, is not installed)"):format(what, path)), 0)
end

---Names in a folder, in the order of their bytes.
local function names_in(lfs, folder, refusal)
  local names = {}
  local fine, why = pcall(function()
    for name in lfs.dir(folder) do
      if name ~= "." and name ~= ".." then names[#names + 1] = name end
    end
  end)
  if not fine then errors.fail("%s: open %s: %s", refusal, folder, in_go(tostring(why))) end
  table.sort(names)
  return names
end

---Adds the manifests of a folder. Links to folders are not followed.
local function walk(lfs, folder, top, recursive, files)
  for _, name in ipairs(names_in(lfs, folder, "error reading " .. quote(top))) do
    local path = joined(folder, name)
    if lfs.symlinkattributes(path, "mode") == "directory" then
      if recursive then walk(lfs, path, top, recursive, files) end
    elseif EXTENSIONS[name:match "%.[^.]*$" or ""] then
      local text = text_of(path)
      if not text then errors.fail("error parsing %s: read %s: is a directory", path, path) end
      files[#files + 1] = { name = path, text = text }
    end
  end
end

---The files that a path means, in kubectl's order; raises its errors.
---@param path string
---@param recursive boolean
---@return { name: string, text: string }[]
function paths.read(path, recursive)
  local text = text_of(path)
  if text then return { { name = path, text = text } } end
  local lfs = lister("-f with a directory", path)
  if lfs.symlinkattributes(path, "mode") == "link" then errors.fail("error parsing %s: read %s: is a directory", path, path) end
  local files = {}
  walk(lfs, path, path, recursive, files)
  return files
end

---The regular files of a folder, by name.
---@param folder string
---@return { name: string, path: string }[]
function paths.files_of(folder)
  local lfs, files = lister("a directory as a source", folder), {}
  for _, name in ipairs(names_in(lfs, folder, "error listing files in " .. folder)) do
    local path = joined(folder, name)
    if lfs.symlinkattributes(path, "mode") == "file" then files[#files + 1] = { name = name, path = path } end
  end
  return files
end

return paths
