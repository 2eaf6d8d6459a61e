std = "lua54"
max_line_length = 140
files["spec/**/*.lua"] = { std = "+busted" }
exclude_files = { "build", "lua_modules" }
