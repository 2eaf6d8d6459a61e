--- Takes the names of local variables out of compiled code: reading them is a third of what loading a module costs, and Lua says them
--- only of a mistake in the module. All else stays, lines and the names of upvalues among it: a traceback tells of a function that was
--- called through a local by its line.
--- tools/chunks.lua uses it for the modules that the core carries; spec/house/chunks_spec.lua says what they are with it.
--- The layout is that of Lua 5.4: lundump.c.

--- What every dump begins with: the signature, the version, check bytes, sizes of integers and floats.
local HEADER <const> = string.dump(load ""):sub(1, 4 + 1 + 1 + 6 + 3 + 8 + 8)

---@param code string  what string.dump made of a function
---@return string
return function(code)
  local at, parts, from = #HEADER + 2, {}, 1 -- behind the header and the number of upvalues

  local function byte()
    at = at + 1
    return code:byte(at - 1)
  end

  local function number()
    local n = 0
    repeat
      local b = byte()
      n = n << 7 | b & 0x7f
    until b & 0x80 ~= 0
    return n
  end

  local function skip(bytes) at = at + bytes end

  local function skip_string() skip(math.max(number() - 1, 0)) end

  local read_function

  local function skip_constant()
    local kind = byte() & 0x0f
    if kind == 4 then
      skip_string()
    elseif kind == 3 then
      skip(8)
    end
  end

  local function each(read)
    for _ = 1, number() do read() end
  end

  local function skip_locals()
    parts[#parts + 1] = code:sub(from, at - 1) .. "\x80" -- there are none
    each(function()
      skip_string()
      number()
      number()
    end)
    from = at
  end

  function read_function()
    skip_string() -- the source
    number() -- lines
    number()
    skip(3) -- parameters, varargs, stack
    skip(4 * number()) -- instructions
    each(skip_constant)
    skip(3 * number()) -- upvalues
    each(read_function)
    skip(number()) -- lines, relative
    each(function()
      number()
      number()
    end)
    skip_locals()
    each(skip_string)
  end

  read_function()
  assert(at == #code + 1, "a chunk is read to its end")
  return table.concat(parts) .. code:sub(from)
end
