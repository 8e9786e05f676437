/* A Cortex-M3 (QEMU's mps2-an385) that loads a board over UART 0 with the functions of docs/tutorials/board.md, and
 * ends with the error's number. */
#include "image.h"
#include "ohmgate.h"

#define UART ((volatile uint32_t *)0x40004000u) /* CMSDK APB UART: data, state, control, -, baud divisor */
#define SYSTICK ((volatile uint32_t *)0xE000E010u)
#define CLOCK 25000000u

extern uint32_t stack_top[], data_from[], data_begin[], data_end[], bss_begin[], bss_end[];

ohmgate_error load_over_uart(const uint8_t *image, size_t length, uint32_t session); /* uart.c */
void uart_put(uint8_t byte);
int uart_get(uint8_t *byte);
uint32_t milliseconds(void);

static volatile uint32_t ticks;

void uart_put(uint8_t byte)
{
    while (UART[1] & 1u) /* full */
        ;
    UART[0] = byte;
}

int uart_get(uint8_t *byte)
{
    if (!(UART[1] & 2u)) /* empty */
        return 0;
    *byte = (uint8_t)UART[0];
    return 1;
}

uint32_t milliseconds(void)
{
    return ticks;
}

static void tick(void)
{
    ticks++;
}

/* Ends QEMU with this exit status: semihosting, SYS_EXIT_EXTENDED. */
static void end(uint32_t status)
{
    const uint32_t reason[2] = {0x20026u, status};
    register uint32_t operation __asm__("r0") = 0x20u;
    register const uint32_t *block __asm__("r1") = reason;

    __asm__ volatile("bkpt 0xAB" : : "r"(operation), "r"(block) : "memory");
    for (;;)
        ;
}

static void fault(void)
{
    end(255);
}

static void reset(void)
{
    uint32_t *at, *from = data_from;
    ohmgate_error error;

    for (at = data_begin; at < data_end; at++)
        *at = *from++;
    for (at = bss_begin; at < bss_end; at++)
        *at = 0;
    UART[4] = 25; /* 1 Mbaud */
    UART[2] = 3;  /* transmit and receive */
    SYSTICK[1] = CLOCK / 1000u - 1u;
    SYSTICK[0] = 7;
    error = ohmgate_check_digest(image, sizeof image);
    end((uint32_t)(error == OHMGATE_OK ? load_over_uart(image, sizeof image, SESSION) : error));
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const struct {
    const uint32_t *stack;
    handler reset, faults[13], tick;
} vectors = {stack_top, reset, {fault, fault, fault, fault, fault}, tick};
