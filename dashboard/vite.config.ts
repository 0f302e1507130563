import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` needs a gateway: GATEWAY=http://127.0.0.1:8080 npm run dev
export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: { target: "es2023", sourcemap: false, reportCompressedSize: true, assetsInlineLimit: 0 },
  server: {
    proxy: Object.fromEntries(
      [
        "clusters",
        "jobs",
        "feedback",
        "stats",
        "runners",
        "events",
        "session",
        "keys",
        "config",
        "projects",
        "dead-letters",
        "ingest",
        "health",
        "readyz",
      ].map((path) => [`/${path}`, { target: process.env.GATEWAY ?? "http://127.0.0.1:8080" }]),
    ),
  },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"], isolate: false, maxWorkers: 1 },
});
