--- test and [.
--- kubesim.shell.commands loads this file when one of these programs is run.

---@type table<string, kubesim.shell.Program>
local M = {}

local UNARY = {
  ["-n"] = function(_, x) return x ~= "" end,
  ["-z"] = function(_, x) return x == "" end,
  ["-e"] = function(shell, x) return shell:stat(x) ~= nil end,
  ["-f"] = function(shell, x) local s = shell:stat(x) return s ~= nil and not s.directory end,
  ["-d"] = function(shell, x) local s = shell:stat(x) return s ~= nil and s.directory end,
  ["-s"] = function(shell, x) local s = shell:stat(x) return s ~= nil and (s.size or 0) > 0 end,
}
UNARY["-r"], UNARY["-w"], UNARY["-x"] = UNARY["-e"], UNARY["-e"], UNARY["-e"]

local BINARY = {
  ["="] = function(a, b) return a == b end,
  ["=="] = function(a, b) return a == b end,
  ["!="] = function(a, b) return a ~= b end,
}
for op, compare in pairs {
  ["-eq"] = function(a, b) return a == b end, ["-ne"] = function(a, b) return a ~= b end, ["-lt"] = function(a, b) return a < b end,
  ["-le"] = function(a, b) return a <= b end, ["-gt"] = function(a, b) return a > b end, ["-ge"] = function(a, b) return a >= b end,
} do
  BINARY[op] = function(a, b)
    local x, y = tonumber(a), tonumber(b)
    if not x or not y then error({ number = x and b or a }, 0) end
    return compare(x, y)
  end
end

---Evaluates the words from..to of a condition.
local function condition(shell, words, from, to)
  local count = to - from + 1
  if count <= 0 then return false end
  for _, op in ipairs { "-o", "-a" } do
    for i = from + 1, to - 1 do
      if words[i] == op and not BINARY[words[i - 1]] then
        local left, right = condition(shell, words, from, i - 1), condition(shell, words, i + 1, to)
        if op == "-o" then return left or right end
        return left and right
      end
    end
  end
  if count == 1 then return words[from] ~= "" end
  if count == 3 and BINARY[words[from + 1]] then return BINARY[words[from + 1]](words[from], words[to]) end
  if words[from] == "!" then return not condition(shell, words, from + 1, to) end
  if count == 2 and UNARY[words[from]] then return UNARY[words[from]](shell, words[to]) end
  error({ operator = words[count == 2 and from or from + 1] }, 0)
end

function M.test(shell, argv)
  local to = #argv
  if argv[1] == "[" then
    if argv[to] ~= "]" then return "", 2, "sh: 1: [: missing ]\n" end
    to = to - 1
  end
  local fine, result = pcall(condition, shell, argv, 2, to)
  if fine then return "", result and 0 or 1 end
  if type(result) ~= "table" then error(result, 0) end
  if result.number then return "", 2, ("sh: 1: %s: Illegal number: %s\n"):format(argv[1], result.number) end
  return "", 2, ("sh: 1: %s: %s: unexpected operator\n"):format(argv[1], result.operator)
end
M["["] = M.test

return M
