"""REST in, gRPC out: who may ask, who answers, and what happens when they fail.

What others begin with: `rostra.gateway.server.serve`, a gateway until a signal;
`rostra.gateway.app.create_app`, its application for a server of one's own;
`rostra.gateway.settings.GatewaySettings`; `rostra.gateway.errors.GatewayError`, what a mistake in
them raises.

Imports the wire and no other room, and never torch. Only the command line imports it.
"""
