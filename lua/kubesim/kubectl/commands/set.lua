--- kubectl set: its subcommands are in kubectl/set/. k8s.io/kubectl/pkg/cmd/set/set.go.
return {
  commands = {
    image = function() return require "kubesim.kubectl.set.image" end,
    env = function() return require "kubesim.kubectl.set.env" end,
    resources = function() return require "kubesim.kubectl.set.resources" end,
    selector = function() return require "kubesim.kubectl.set.selector" end,
    serviceaccount = function() return require "kubesim.kubectl.set.serviceaccount" end,
    subject = { refused = "users and permissions are not simulated" },
  },
  aliases = { sa = "serviceaccount" },
}
