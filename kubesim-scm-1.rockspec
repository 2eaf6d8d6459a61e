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
  install_pass = false, -- LuaRocks copies the files named below
  build_variables = {
    CC = "$(CC)", CFLAGS = "$(CFLAGS)", LIBFLAG = "$(LIBFLAG)", LUA_INCDIR = "$(LUA_INCDIR)",
    YAML_INCDIR = "$(YAML_INCDIR)", YAML_LIBDIR = "$(YAML_LIBDIR)", BUILD = "build/rock",
  },
  install = {
    lua = {
      ["kubesim.init"] = "lua/kubesim/init.lua",
    },
    lib = { ["kubesim.core"] = "build/rock/kubesim/core.so" },
  },
}
test = { type = "command", script = "spec/run.lua" }
