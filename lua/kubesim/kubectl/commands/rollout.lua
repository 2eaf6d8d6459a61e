--- kubectl rollout. Its subcommands stand in kubectl/rollout/.
local change <const> = require "kubesim.kubectl.rollout.change"

return {
  commands = {
    status = require "kubesim.kubectl.rollout.status", history = require "kubesim.kubectl.rollout.history",
    undo = require "kubesim.kubectl.rollout.undo", restart = change "restarted", pause = change "paused", resume = change "resumed",
  },
}
