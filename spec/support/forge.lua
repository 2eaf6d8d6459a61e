-- A saved cluster's file that somebody has changed with care: its last line agrees with the others again. The sum is ks_hash_on
-- (csrc/base/world.c) over one line after the other.

local function hash_on(hash, line)
  local whole = #line // 8 * 8
  for at = 1, whole, 8 do
    hash = (hash ~ string.unpack("<I8", line, at)) * 0x9fb21c651e98df25
    hash = hash ~ hash >> 32
  end
  for at = whole + 1, #line do hash = (hash ~ line:byte(at)) * 0x100000001b3 end
  return hash
end

---@param text string   whose last line begins with {"end":
---@return string
return function(text)
  local body, last = text:match "^(.*\n)([^\n]*\n)$"
  local hash, lines = math.tointeger(0xcbf29ce484222325), 1
  for line in body:gmatch "[^\n]*\n" do
    hash = hash_on(hash, line)
    lines = lines + 1
  end
  return body .. last:gsub('"sum":"%x+"', ('"sum":"%016x"'):format(hash)):gsub('"lines":%d+', '"lines":' .. lines)
end
