"""What goes over the connection: error bodies, ASGI messages, server-sent events, recorded exchanges."""
