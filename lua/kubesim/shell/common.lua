--- What the programs of a simulated container have in common: options, files that are read one after the other, lines.
--- The files of kubesim/shell/commands/ call it.

---@class kubesim.shell.common
local common = {}

---Splits options from operands: `letters` may be combined, those in `values` take the next word.
---@param argv string[]
---@param letters string
---@param values? string
---@return table<string, string|boolean>? options  nil: there is one that nobody knows
---@return string[]|string operands  or the name of that option
function common.getopt(argv, letters, values)
  local options, operands, i = {}, {}, 2
  while i <= #argv do
    local arg = argv[i]
    if arg == "--" then
      table.move(argv, i + 1, #argv, #operands + 1, operands)
      break
    elseif arg:find "^%-%-." then
      return nil, arg:match "^%-%-([^=]+)"
    elseif arg:find "^%-." then
      local rest = arg:sub(2)
      while rest ~= "" do
        local letter = rest:sub(1, 1)
        rest = rest:sub(2)
        if values and values:find(letter, 1, true) then
          if rest == "" then i = i + 1; rest = argv[i] or "" end
          options[letter], rest = rest, ""
        elseif letters:find(letter, 1, true) then
          options[letter] = true
        else
          return nil, letter
        end
      end
    else
      operands[#operands + 1] = arg
    end
    i = i + 1
  end
  return options, operands
end

---What a program answers to an option that it does not know.
---@param name string  of the program
---@param letter string
---@return string out
---@return integer code
---@return string err
function common.bad_option(name, letter)
  local kind = #letter > 1 and ("unrecognized option '--%s'"):format(letter) or ("invalid option -- '%s'"):format(letter)
  return "", 1, ("%s: %s\nTry '%s --help' for more information.\n"):format(name, kind, name)
end

---Reads files (or standard input) one after the other; complaints are returned with the exit code.
---@param shell kubesim.Shell
---@param name string  of the program
---@param files string[]
---@param input string
---@param fn fun(text: string, file: string)
---@return integer code
---@return string err
function common.each_input(shell, name, files, input, fn)
  local errors = {}
  if #files == 0 then files = { "-" } end
  for _, file in ipairs(files) do
    local text, why
    if file == "-" then text = input else text, why = shell:read(file) end
    if text then fn(text, file) else errors[#errors + 1] = ("%s: %s: %s\n"):format(name, file, why) end
  end
  return #errors > 0 and 1 or 0, table.concat(errors)
end

---Lines with their ends.
---@param text string
---@return string[]
function common.lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\n]*\n?" do if line ~= "" then lines[#lines + 1] = line end end
  return lines
end

return common
