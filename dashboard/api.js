// Requests to the server that the page came from, with the read token if there is one.

const TOKEN_KEY = "weir-read-token";

// The address of the server: the parent of this file's folder. A proxy may serve it under a path prefix.
const SERVER = new URL("..", import.meta.url);

// An unsuccessful response, with the content of its problem document.
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.code = problem.code ?? "";
  }
}

export class Api {
  // The token of this tab. It is in the session storage, and never in a URL or a log.
  get token() {
    return sessionStorage.getItem(TOKEN_KEY);
  }

  set token(token) {
    if (token) sessionStorage.setItem(TOKEN_KEY, token);
    else sessionStorage.removeItem(TOKEN_KEY);
  }

  // The response to a GET. Throws an ApiError if it is unsuccessful, and the error of fetch if there is no response.
  async get(path, signal, accept = "application/json") {
    const headers = { Accept: accept };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const response = await fetch(new URL(`.${path}`, SERVER), { headers, signal, cache: "no-cache", credentials: "omit", redirect: "error" });
    if (response.ok) return response;
    throw new ApiError(response.status, await response.json().catch(() => ({})));
  }

  async json(path, signal) {
    return (await this.get(path, signal)).json();
  }
}
