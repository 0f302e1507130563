import { useRouteError } from "react-router";
import { Failed } from "@/components/states";

/** What stands where a page broke. */
export function Crash() {
  const error = useRouteError();
  return (
    <Failed
      error={error}
      retry={() => {
        window.location.reload();
      }}
    />
  );
}
