import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Each file also compressed, beside it: the gateway sends that one to browsers that take it. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      const folder = fileURLToPath(new URL("./dist", import.meta.url));
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const content = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
        writeFileSync(`${path}.br`, brotliCompressSync(content));
      }
    },
  };
}

// `npm run dev` needs a gateway: GATEWAY=http://127.0.0.1:8080 npm run dev
export default defineConfig({
  plugins: [react(), compressed()],
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
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: "vitest.setup.ts",
    isolate: false,
    testTimeout: 30_000, // a busy machine is slow, not broken
    maxWorkers: 1,
  },
});
