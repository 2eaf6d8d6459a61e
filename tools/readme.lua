-- Writes below the examples of the README and the guide what they print now. `make readme` runs it; read what changed before you commit it.
package.path = "./?.lua;" .. package.path
local documents = require "spec.support.documents"

for _, path in ipairs(documents.paths) do
  local text = documents.read(path)
  local list = documents.examples(text)
  local printed = documents.outputs(list)
  for i = #list, 1, -1 do
    if list[i].output then text = text:sub(1, list[i].from - 1) .. printed[i] .. text:sub(list[i].to + 1) end
  end
  local f <close> = assert(io.open(path, "w"))
  f:write(text)
end
