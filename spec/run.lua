-- Runs the suites under the Lua that started it: `luarocks test` and `lua5.4 spec/run.lua` come here.
require "busted.runner" { standalone = false }
