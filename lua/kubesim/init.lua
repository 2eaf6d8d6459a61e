--- kubesim: a Kubernetes cluster's workload behaviour, in virtual time. The public interface is kubesim.interface; the core comes first,
--- because it carries that and all other modules compiled (csrc/lua/chunks.c).
require "kubesim.core"

return require "kubesim.interface"
