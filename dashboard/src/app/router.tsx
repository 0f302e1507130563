import { createBrowserRouter } from "react-router";
import { InboxPage } from "@/features/inbox/inbox-page";
import { Crash } from "./crash";
import { Shell } from "./shell";

export const router = createBrowserRouter([
  { path: "/", element: <Shell />, errorElement: <Crash />, children: [{ index: true, element: <InboxPage /> }] },
]);
