rockspec_format = "3.0"
package = "kubesim"
version = "scm-1"
source = { url = "git+https://example.org/kubesim.git" }
description = {
  summary = "A Kubernetes cluster's workload behaviour in one process, in virtual time.",
  detailed = "Apply the YAML that you have, let time pass, look at it as kubectl would show it, break things, and assert.",
  license = "MIT",
}
dependencies = { "lua >= 5.4, < 5.5" }
external_dependencies = { YAML = { header = "yaml.h", library = "yaml" } }
build = {
  type = "make",
  build_target = "build",
  install_target = "files", -- copies every module: nothing to list here
  build_variables = {
    CC = "$(CC)", CFLAGS = "$(CFLAGS)", LIBFLAG = "$(LIBFLAG)", LUA_INCDIR = "$(LUA_INCDIR)", LUA = "$(LUA)",
    YAML_INCDIR = "$(YAML_INCDIR)", YAML_LIBDIR = "$(YAML_LIBDIR)", BUILD = "build/rock",
  },
  install_variables = { LUADIR = "$(LUADIR)", LIBDIR = "$(LIBDIR)", BUILD = "build/rock" },
}
test = { type = "command", script = "spec/run.lua" }
