"""Where everything lies in the pictures of a board; templates draw it. Lengths are pixels of an SVG, y from the top."""
