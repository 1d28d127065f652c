// Pictures of the cart: the routes below {BASE_URL}/imagegen that the page script calls.
//
// This file needs the standard library alone; imagegen_grpc.go connects it to the shop.

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	imagegenPath = "/imagegen"

	// The service answers within 10 s, uploads after up to 30 s in line.
	imagegenCallTimeout    = 12 * time.Second
	imagegenUploadTimeout  = 45 * time.Second
	imagegenPictureTimeout = 20 * time.Second
	imagegenArrival        = 30 * time.Second

	imagegenMaxOrder = 8 << 10
	// The page script makes photos smaller than this. An upload costs the frontend about six times its
	// size while it is passed on, and the frontend's memory limit is 128 MiB.
	imagegenMaxUpload  = 4 << 20
	imagegenMaxPicture = 32 << 20
	imagegenUploads    = 2
)

var (
	imagegenID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)
	// What a stored picture is called, at the end of whatever URL the service made of it.
	imagegenKey = regexp.MustCompile(`(?:^|/)((?:pictures|backgrounds)/[0-9a-f]{40}\.(?:jpg|png|webp))$`)

	imagegenMediaTypes = map[string]bool{"image/jpeg": true, "image/png": true, "image/webp": true}
)

// imagegenOrder is what a shopper may choose. There is no user here, and no cart: both are the session's.
type imagegenOrder struct {
	Style      string `json:"style"`
	Shape      string `json:"shape"`
	Background string `json:"background"`
	Key        string `json:"key"`
}

// imagegenState is how a generation stands, as the page script reads it.
type imagegenState struct {
	ID       string `json:"id,omitempty"`
	Status   string `json:"status"`
	Stage    string `json:"stage,omitempty"`
	Progress int32  `json:"progress"`
	Image    string `json:"image,omitempty"`
	Engine   string `json:"engine,omitempty"`
	LeftOut  int    `json:"left_out,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Message  string `json:"message,omitempty"`
}

// imagegenUploaded is what became of a background.
type imagegenUploaded struct {
	Status     string `json:"status"`
	Background string `json:"background,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
}

// imagegenCalls are the three calls of the service. An image in an answer is the URL that the service gave.
type imagegenCalls interface {
	generate(ctx context.Context, user string, order imagegenOrder) (imagegenState, error)
	status(ctx context.Context, user, id string) (imagegenState, error)
	upload(ctx context.Context, user, base64Data string) (imagegenUploaded, error)
}

// imagegenFault is a request that had no answer: an HTTP status, a reason, the seconds until it may help to
// come back, and what the log is told besides.
type imagegenFault struct {
	code   int
	reason string
	after  int
	cause  error
}

func (f imagegenFault) Error() string {
	if f.cause != nil {
		return f.reason + ": " + f.cause.Error()
	}
	return f.reason
}

// imagegenHandler serves everything below {BASE_URL}/imagegen.
type imagegenHandler struct {
	base     string // BASE_URL + "/imagegen"
	pictures string // the service's HTTP port: http://host:port
	calls    imagegenCalls
	user     func(r *http.Request) string // the session's id, which never leaves the server
	log      func(r *http.Request, what string, err error)
	client   *http.Client
	uploads  chan struct{}
}

func newImagegenHandler(baseURL, pictures string, calls imagegenCalls,
	user func(*http.Request) string, log func(*http.Request, string, error)) *imagegenHandler {
	return &imagegenHandler{
		base:     baseURL + imagegenPath,
		pictures: pictures,
		calls:    calls,
		user:     user,
		log:      log,
		client: &http.Client{
			Timeout:       imagegenPictureTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		uploads: make(chan struct{}, imagegenUploads),
	}
}

func (h *imagegenHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, h.base)
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	id := strings.TrimPrefix(path, "/generations/")
	switch {
	case path == "/generations" && r.Method == http.MethodPost:
		h.order(w, r)
	case path == "/backgrounds" && r.Method == http.MethodPost:
		h.takeIn(w, r)
	case id != path && imagegenID.MatchString(id) && r.Method == http.MethodGet:
		h.follow(w, r, id)
	case imagegenKey.MatchString(path) && strings.Count(path, "/") == 2 && reads:
		h.show(w, r, path)
	default:
		h.fail(w, r, imagegenFault{code: http.StatusNotFound, reason: "NO_SUCH_PAGE"})
	}
}

func (h *imagegenHandler) order(w http.ResponseWriter, r *http.Request) {
	// A form of another site cannot send this type, so that no other site orders in a shopper's name.
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		h.fail(w, r, imagegenFault{code: http.StatusUnsupportedMediaType, reason: "INVALID_REQUEST"})
		return
	}
	var order imagegenOrder
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, imagegenMaxOrder))
	body.DisallowUnknownFields()
	if err := body.Decode(&order); err != nil {
		h.fail(w, r, imagegenFault{code: http.StatusBadRequest, reason: "INVALID_REQUEST"})
		return
	}
	if order.Background != "" {
		// Only what was uploaded here: the browser sends the service nowhere else.
		key := imagegenKey.FindStringSubmatch(order.Background)
		if key == nil {
			h.fail(w, r, imagegenFault{code: http.StatusBadRequest, reason: "URL_NOT_ALLOWED"})
			return
		}
		order.Background = h.base + "/" + key[1]
	}
	ctx, cancel := context.WithTimeout(r.Context(), imagegenCallTimeout)
	defer cancel()
	state, err := h.calls.generate(ctx, h.user(r), order)
	h.answer(w, r, state, err)
}

func (h *imagegenHandler) follow(w http.ResponseWriter, r *http.Request, id string) {
	ctx, cancel := context.WithTimeout(r.Context(), imagegenCallTimeout)
	defer cancel()
	state, err := h.calls.status(ctx, h.user(r), id)
	h.answer(w, r, state, err)
}

func (h *imagegenHandler) answer(w http.ResponseWriter, r *http.Request, state imagegenState, err error) {
	if err != nil {
		h.fail(w, r, err)
		return
	}
	state.Image = h.own(state.Image)
	imagegenJSON(w, http.StatusOK, state)
}

func (h *imagegenHandler) takeIn(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "image/") {
		h.fail(w, r, imagegenFault{code: http.StatusUnsupportedMediaType, reason: "UNSUPPORTED_FORMAT"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), imagegenUploadTimeout)
	defer cancel()
	select {
	case h.uploads <- struct{}{}:
		defer func() { <-h.uploads }()
	case <-ctx.Done():
		h.fail(w, r, imagegenFault{code: http.StatusTooManyRequests, reason: "OVERLOADED", after: 5})
		return
	}
	text, err := imagegenBase64(ctx, http.MaxBytesReader(w, r.Body, imagegenMaxUpload))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	uploaded, err := h.calls.upload(ctx, h.user(r), text)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	uploaded.Background = h.own(uploaded.Background)
	imagegenJSON(w, http.StatusOK, uploaded)
}

// imagegenBase64 reads a body that has to be there in time: the shop's server does not watch the clock, and a
// silent client would keep its place in line.
func imagegenBase64(ctx context.Context, body io.Reader) (string, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(body)
		done <- result{data, err}
	}()
	timer := time.NewTimer(imagegenArrival)
	defer timer.Stop()
	select {
	case read := <-done:
		var tooLarge *http.MaxBytesError
		if errors.As(read.err, &tooLarge) {
			return "", imagegenFault{code: http.StatusRequestEntityTooLarge, reason: "IMAGE_TOO_LARGE"}
		} else if read.err != nil {
			return "", imagegenFault{code: http.StatusBadRequest, reason: "INVALID_REQUEST"}
		}
		return base64.StdEncoding.EncodeToString(read.data), nil
	case <-timer.C:
	case <-ctx.Done():
	}
	return "", imagegenFault{code: http.StatusRequestTimeout, reason: "TOO_SLOW"}
}

// own gives a picture's address below our own routes, whatever PUBLIC_URL the service has: the page then
// needs no other origin, a download keeps its name, and the shop is reached under any host.
func (h *imagegenHandler) own(image string) string {
	path, _, _ := strings.Cut(image, "?")
	if key := imagegenKey.FindStringSubmatch(path); key != nil {
		return h.base + "/" + key[1]
	}
	return image
}

func (h *imagegenHandler) show(w http.ResponseWriter, r *http.Request, key string) {
	ask, err := http.NewRequestWithContext(r.Context(), r.Method, h.pictures+key, nil)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	found, err := h.client.Do(ask)
	if err != nil {
		h.fail(w, r, imagegenFault{code: http.StatusBadGateway, reason: "UNAVAILABLE", after: 2, cause: err})
		return
	}
	defer found.Body.Close()
	if fault := imagegenNoPicture(found); fault != nil {
		h.fail(w, r, fault)
		return
	}
	head := w.Header()
	for _, name := range []string{"Content-Type", "Content-Length", "Cache-Control"} {
		if value := found.Header.Get(name); value != "" {
			head.Set(name, value)
		}
	}
	head.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	head.Set("X-Content-Type-Options", "nosniff")
	if r.URL.Query().Get("download") != "" {
		head.Set("Content-Disposition", `attachment; filename="my-cart`+key[strings.LastIndex(key, "."):]+`"`)
	}
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(w, found.Body); err != nil {
		h.log(r, "a picture was cut off", err)
	}
}

func imagegenNoPicture(found *http.Response) error {
	switch {
	case found.StatusCode == http.StatusNotFound:
		return imagegenFault{code: http.StatusNotFound, reason: "NOT_FOUND"}
	case found.StatusCode == http.StatusTooManyRequests:
		return imagegenFault{code: http.StatusTooManyRequests, reason: "OVERLOADED", after: 2}
	case found.StatusCode != http.StatusOK, !imagegenMediaTypes[found.Header.Get("Content-Type")],
		found.ContentLength > imagegenMaxPicture:
		return imagegenFault{code: http.StatusBadGateway, reason: "UNAVAILABLE", after: 2}
	}
	return nil
}

func (h *imagegenHandler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var fault imagegenFault
	if !errors.As(err, &fault) {
		fault = imagegenFault{code: http.StatusBadGateway, reason: "INTERNAL", cause: err}
	}
	if fault.code >= http.StatusInternalServerError {
		h.log(r, "the picture service did not answer", fault)
	}
	if fault.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(fault.after))
	}
	imagegenJSON(w, fault.code, imagegenState{Status: "failed", Reason: fault.reason})
}

func imagegenJSON(w http.ResponseWriter, code int, body interface{}) {
	head := w.Header()
	head.Set("Content-Type", "application/json; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body)
}
