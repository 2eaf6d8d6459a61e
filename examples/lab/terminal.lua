--- A terminal for the labs: prints each command as a person types it, and what the cluster answers.
--- Used by the scripts in this folder.

---@class lab.Terminal
---@field cluster kubesim.Cluster
---@field folder string where the manifests lie
---@field write fun(text: string)
local Terminal = {}
Terminal.__index = Terminal

---Makes a terminal on a cluster.
---@param cluster kubesim.Cluster
---@param folder string
---@param write? fun(text: string) where the transcript goes; default: standard output
---@return lab.Terminal
function Terminal.new(cluster, folder, write)
  return setmetatable({ cluster = cluster, folder = folder, write = write or io.write }, Terminal)
end

---Prints a heading of the lab text.
---@param text string
function Terminal:section(text) self.write(("\n## %s\n"):format(text)) end

---Prints a remark between the commands.
---@param text string
function Terminal:say(text) self.write(("\n# %s\n"):format(text)) end

---Lets virtual time pass, and says so.
---@param duration number|string
function Terminal:wait(duration)
  self.write(("\n# ... %s later\n"):format(type(duration) == "number" and duration .. " s" or duration))
  self.cluster:advance(duration)
end

local function show(self, command, out)
  self.write(("$ %s\n%s"):format(command, out))
  if out ~= "" and out:sub(-1) ~= "\n" then self.write "\n" end
end

---Runs kubectl and shows what it prints, on standard error too.
---@param words string the command line behind "kubectl"
---@param stdin? string
---@param typed? string what stands in the transcript instead of the words
---@return string out
function Terminal:kubectl(words, stdin, typed)
  local ok, out, err = pcall(self.cluster.kubectl, self.cluster, words, stdin)
  show(self, "kubectl " .. (typed or words), ok and out .. (err or "") or tostring(out))
  return ok and out or ""
end

---The text of a manifest, with another number of replicas if one is given.
---@param file string
---@param replicas? integer
---@return string
function Terminal:manifest(file, replicas)
  local f = assert(io.open(self.folder .. file))
  local text = f:read "a"
  f:close()
  if replicas then text = text:gsub("replicas: %d+", "replicas: " .. replicas, 1) end
  return text
end

---`kubectl apply -f FILE`, the file's number of replicas changed first if one is given.
---@param file string
---@param replicas? integer
function Terminal:apply(file, replicas)
  self:edited(file, replicas and "replicas: " .. replicas, self:manifest(file, replicas))
end

---`kubectl apply -f FILE` after a person has changed the file.
---@param file string
---@param change string? what was changed, for the transcript
---@param text string the file as it is now
function Terminal:edited(file, change, text)
  self:kubectl("apply -f -", text, ("apply -f %s%s"):format(file, change and "   # " .. change or ""))
end

---Runs a command in a pod, as a person does who has a shell there.
---@param pod string
---@param command string
---@return string out
function Terminal:inside(pod, command)
  local out, _, err = self.cluster:exec(pod, command)
  show(self, command, out .. err)
  return out
end

---Says that the commands to come are typed in a pod's shell.
---@param pod string
function Terminal:enter(pod) self:say(("kubectl exec -it %s -- sh"):format(pod)) end

return Terminal
