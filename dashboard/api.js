// Requests to the server that the page came from, with the read token where there is one.

const TOKEN_KEY = "weir-read-token";

// An answer that is no success, with what its problem document says.
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.code = problem.code ?? "";
  }
}

export class Api {
  // The token of this tab. It never leaves the session's storage for an address or a log.
  get token() {
    return sessionStorage.getItem(TOKEN_KEY);
  }

  set token(token) {
    if (token) sessionStorage.setItem(TOKEN_KEY, token);
    else sessionStorage.removeItem(TOKEN_KEY);
  }

  // The answer to a GET. Throws an ApiError where it is no success, and what fetch throws where there is none.
  async get(path, signal, accept = "application/json") {
    const headers = { Accept: accept };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const response = await fetch(path, { headers, signal, cache: "no-cache", credentials: "omit", redirect: "error" });
    if (response.ok) return response;
    throw new ApiError(response.status, await response.json().catch(() => ({})));
  }

  async json(path, signal) {
    return (await this.get(path, signal)).json();
  }
}
