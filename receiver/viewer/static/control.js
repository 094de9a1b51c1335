// Requests that change something. The server says what is allowed; some of it may need a token.

const byId = (id) => document.getElementById(id);

/** Ask the server for a change, and return its answer; throws an Error with words for the user. */
export async function control(path, options = {}) {
  const response = await fetch(`control/${path}`, { method: "POST", ...options }).catch(() => null);
  if (!response) throw new Error("The receiver cannot be reached.");
  if (response.status === 401 || (response.status === 403 && /token/.test(await response.clone().text()))) {
    byId("steer-login").hidden = false;
    byId("steer-token").focus();
    throw new Error("Log in first.");
  }
  if (!response.ok) throw new Error((await response.text()).trim() || `The receiver answered ${response.status}.`);
  return response.json();
}
