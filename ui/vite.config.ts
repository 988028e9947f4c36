import preact from "@preact/preset-vite";
import { defineConfig } from "vite";
import { sizeBudgets } from "./scripts/size.ts";

// Built with relative addresses: the server puts its route prefix into <base> when it serves index.html.
export default defineConfig({
  base: "./",
  plugins: [preact(), sizeBudgets()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { output: { manualChunks: undefined } },
  },
  server: { proxy: { "/api": "http://127.0.0.1:9090", "/-": "http://127.0.0.1:9090" } },
});
