// A proxy that compresses what it passes on, as development servers do. The argument is the URL of the server.
import compression from "compression";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";

const app = express();
app.use(compression());
app.use(createProxyMiddleware({ target: process.argv[2], changeOrigin: true }));
const listener = app.listen(0, "127.0.0.1", () => console.error(`listening on http://127.0.0.1:${listener.address().port}`));
