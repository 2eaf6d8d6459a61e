std = "lua54"
max_line_length = 140
files["spec/**/*.lua"] = { std = "+busted", max_string_line_length = false }
files["examples/**/*_spec.lua"] = { std = "+busted" }
exclude_files = { "build", "lua_modules" }
