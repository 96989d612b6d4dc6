"""The letters of figures, apart from their colours: those take all of Matplotlib to import."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"
LABEL_SIZE = "13px"
