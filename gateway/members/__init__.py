"""Members of the mesh that are other servers: whatever speaks the OpenAI API."""
